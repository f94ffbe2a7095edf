/*
 * server.c
 *	  The server's functions, in a program of its own: what main() of the
 *	  server would set up for them, and memory that is watched.
 *
 * The server cuts its memory contexts from large blocks, in which nobody sees
 * a read beyond the end of a piece. Here each piece is one of malloc(), which
 * AddressSanitizer watches. That is possible up to PostgreSQL 15; later ones
 * know only their own kinds of contexts.
 */
#include "postgres.h"

#include "server.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

/* What lies before each piece; a pointer to its context must come last. */
typedef struct Piece
{
	struct Piece *next;
	struct Piece *previous;
	Size size;
	MemoryContext context;
} Piece;

/* A context: the server's part of it, and the ring of its pieces. */
typedef struct Pieces
{
	MemoryContextData head;
	Piece ring;
} Pieces;

static MemoryContext input_context = NULL;

static Piece *
piece_of(void *pointer)
{
	return (Piece *) pointer - 1;
}

static void *
piece_alloc(MemoryContext context, Size size)
{
	Piece *ring = &((Pieces *) context)->ring;
	Piece *piece = malloc(sizeof(Piece) + size);

	if (piece == NULL)
		return NULL;
	piece->size = size;
	piece->context = context;
	piece->next = ring->next;
	piece->previous = ring;
	ring->next->previous = piece;
	ring->next = piece;
	return piece + 1;
}

static void
piece_free(MemoryContext context, void *pointer)
{
	Piece *piece = piece_of(pointer);

	(void) context;
	piece->next->previous = piece->previous;
	piece->previous->next = piece->next;
	free(piece);
}

static void *
piece_realloc(MemoryContext context, void *pointer, Size size)
{
	void *result = piece_alloc(context, size);

	if (result == NULL)
		return NULL;
	memcpy(result, pointer, Min(size, piece_of(pointer)->size));
	piece_free(context, pointer);
	return result;
}

static void
pieces_reset(MemoryContext context)
{
	Piece *ring = &((Pieces *) context)->ring;

	while (ring->next != ring)
		piece_free(context, ring->next + 1);
}

static void
pieces_delete(MemoryContext context)
{
	pieces_reset(context);
	free(context);
}

static Size
piece_space(MemoryContext context, void *pointer)
{
	(void) context;
	return piece_of(pointer)->size;
}

static bool
pieces_is_empty(MemoryContext context)
{
	Piece *ring = &((Pieces *) context)->ring;

	return ring->next == ring;
}

static const MemoryContextMethods methods = { .alloc = piece_alloc,
											  .free_p = piece_free,
											  .realloc = piece_realloc,
											  .reset = pieces_reset,
											  .delete_context = pieces_delete,
											  .get_chunk_space = piece_space,
											  .is_empty = pieces_is_empty };

/*
 * Makes a context. Has the name of the server's function: what src/ makes by
 * AllocSetContextCreate() is watched too.
 */
MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size minContextSize,
							  Size initBlockSize, Size maxBlockSize)
{
	Pieces *pieces = calloc(1, sizeof(Pieces));

	(void) minContextSize;
	(void) initBlockSize;
	(void) maxBlockSize;
	pieces->ring.next = pieces->ring.previous = &pieces->ring;
	MemoryContextCreate(&pieces->head, T_AllocSetContext, &methods, parent, name);
	return &pieces->head;
}

/*
 * Before each input: as in a backend of a database of that encoding, with
 * empty memory.
 */
void
fuzz_begin(int encoding)
{
	if (input_context == NULL)
	{
		MemoryContextInit();
		TopMemoryContext = AllocSetContextCreate(NULL, "all", ALLOCSET_DEFAULT_SIZES);
		input_context = AllocSetContextCreate(TopMemoryContext, "input", ALLOCSET_DEFAULT_SIZES);
		(void) set_stack_base();
	}
	MemoryContextReset(input_context);
	MemoryContextSwitchTo(input_context);
	SetDatabaseEncoding(encoding);
}

/*
 * Calls a function; 0, or the SQLSTATE of the error that it raised.
 */
int
fuzz_try(void (*function)(void *), void *argument)
{
	volatile int state = 0;

	PG_TRY();
	{
		function(argument);
	}
	PG_CATCH();
	{
		state = geterrcode();
		FlushErrorState();
		MemoryContextSwitchTo(input_context);
	}
	PG_END_TRY();
	fuzz_require(ERRCODE_TO_CATEGORY(state) != ERRCODE_INTERNAL_ERROR, "no internal error");
	return state;
}

/*
 * Ends the program if something does not hold.
 */
void
fuzz_require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

/*
 * The server's function of this name looks the conversion up in its catalogs.
 * This one knows the only one that is needed, from LATIN1 to UTF-8.
 */
char *
pg_server_to_any(const char *s, int len, int encoding)
{
	char *result;
	char *end;

	if (len <= 0 || encoding != PG_UTF8 || GetDatabaseEncoding() == PG_UTF8)
		return (char *) s;
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		(void) pg_verify_mbstr(PG_UTF8, s, len, false);
		return (char *) s;
	}
	end = result = palloc(2 * len + 1);
	for (int i = 0; i < len; i++)
	{
		unsigned char c = s[i];

		if (c >= 0x80)
			*end++ = 0xC0 | (c >> 6);
		*end++ = c >= 0x80 ? 0x80 | (c & 0x3F) : c;
	}
	*end = '\0';
	return result;
}
