/*
 * type_cache.c
 *	  Compiled dispatch types, kept by the session.
 *
 * A cached type is never stale: a trigger on dispatch.types sends a relcache
 * invalidation, of which every look-up takes notice first, and a type is
 * loaded with the latest snapshot, since that of a REPEATABLE READ transaction
 * may be old. A type that was invalidated while it was loaded is not kept.
 *
 * Whoever looks a type up may use it until the current memory context ends:
 * a stale type goes when its last user has gone.
 */
#include "postgres.h"

#include "type_cache.h"

#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "builder.h"
#include "compat.h"
#include "error.h"
#include "owner.h"
#include "statement.h"
#include "uuid.h"

#define NAME_SIZE 32 /* longer than a name can be */

/* A type with what the cache needs to know of it. */
typedef struct CachedType
{
	DispatchType type; /* first, so that a type is its cached type */
	MemoryContext context;
	int users;
	bool stale; /* out of the tables; goes with its last user */
} CachedType;

/* A use of a type, which ends with a memory context. */
typedef struct TypeUse
{
	MemoryContextCallback at_end;
	CachedType *cached;
} TypeUse;

typedef struct IdEntry
{
	pg_uuid_t id;
	CachedType *cached;
} IdEntry;

typedef struct NameEntry
{
	char name[NAME_SIZE];
	CachedType *cached;
} NameEntry;

static MemoryContext cache_context = NULL;
static HTAB *types_by_id = NULL;
static HTAB *types_by_name = NULL;
static Oid types_relid = InvalidOid;

/* Counts the invalidations, and which of them the tables have taken notice of. */
static uint64 generation = 0;
static uint64 noticed = 0;

/*
 * Counts that types have changed, no more: this may run anywhere.
 */
static void
note_invalidation(Datum arg, Oid relid)
{
	(void) arg;
	if (!OidIsValid(relid) || relid == types_relid)
		generation++;
}

/*
 * Registers the cache with the server, once a backend.
 */
void
dispatch_type_cache_init(void)
{
	CacheRegisterRelcacheCallback(note_invalidation, (Datum) 0);
}

static HTAB *
make_table(const char *name, Size key_size, Size entry_size, int flags)
{
	HASHCTL control;

	memset(&control, 0, sizeof(control));
	control.keysize = key_size;
	control.entrysize = entry_size;
	control.hcxt = cache_context;
	return hash_create(name, 64, &control, HASH_ELEM | HASH_CONTEXT | flags);
}

static void
make_tables(void)
{
	if (cache_context == NULL)
		cache_context =
			AllocSetContextCreate(CacheMemoryContext, "dispatch types", ALLOCSET_DEFAULT_SIZES);
	if (types_by_id == NULL)
		types_by_id = make_table("dispatch types by id", UUID_LEN, sizeof(IdEntry), HASH_BLOBS);
	if (types_by_name == NULL)
		types_by_name =
			make_table("dispatch types by name", NAME_SIZE, sizeof(NameEntry), HASH_STRINGS);
}

/*
 * Drops all types that are not in use; the others leave the tables.
 */
static void
drop_types(void)
{
	HASH_SEQ_STATUS scan;
	IdEntry *entry;
	NameEntry *name_entry;

	hash_seq_init(&scan, types_by_name);
	while ((name_entry = hash_seq_search(&scan)) != NULL)
		(void) hash_search(types_by_name, name_entry->name, HASH_REMOVE, NULL);
	hash_seq_init(&scan, types_by_id);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		CachedType *cached = entry->cached;

		(void) hash_search(types_by_id, &entry->id, HASH_REMOVE, NULL);
		if (cached == NULL)
			continue;
		cached->stale = true;
		if (cached->users == 0)
			MemoryContextDelete(cached->context);
	}
}

static void
end_use(void *arg)
{
	CachedType *cached = ((TypeUse *) arg)->cached;

	if (--cached->users == 0 && cached->stale)
		MemoryContextDelete(cached->context);
}

/*
 * Gives the caller the use of a type until the current memory context ends.
 */
static const DispatchType *
use(CachedType *cached)
{
	TypeUse *type_use = palloc(sizeof(TypeUse));

	type_use->cached = cached;
	type_use->at_end.func = end_use;
	type_use->at_end.arg = type_use;
	cached->users++;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &type_use->at_end);
	return &cached->type;
}

/*
 * All default values as one object; NULL where there are none.
 */
static Jsonb *
collect_defaults(const DispatchProgram *program)
{
	JsonbParseState *state = NULL;

	if (program->ndefaults == 0)
		return NULL;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < program->nattributes; i++)
	{
		const DispatchAttribute *attribute = &program->attributes[i];

		if (attribute->has_default)
			dispatch_push_member(&state, &attribute->name, &attribute->default_value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * Says of which type a definition is that cannot be read: only an owner's
 * direct write can make one.
 */
static void
say_type(void *name)
{
	errcontext("definition of dispatch type \"%s\"", (const char *) name);
}

/*
 * Compiles the row of dispatch.types that SPI returned, in a context of its
 * own under the given one.
 */
static CachedType *
compile_row(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "dispatch type", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	CachedType *cached = palloc0(sizeof(CachedType));
	DispatchType *type = &cached->type;
	ErrorContextCallback error_context;
	Jsonb *lifecycle;
	bool isnull;

	cached->context = context;
	type->id = *DatumGetUUIDP(dispatch_result(0, 1, &isnull));
	type->name = TextDatumGetCString(dispatch_result(0, 2, &isnull));
	lifecycle = DatumGetJsonbPCopy(dispatch_result(0, 3, &isnull));
	type->program.additional = DatumGetBool(dispatch_result(0, 4, &isnull));
	type->attributes = DatumGetJsonbPCopy(dispatch_result(0, 5, &isnull));
	type->revision = DatumGetInt32(dispatch_result(0, 6, &isnull));
	error_context.callback = say_type;
	error_context.arg = type->name;
	error_context.previous = error_context_stack;
	error_context_stack = &error_context;
	type->lifecycle = dispatch_lifecycle_parse(lifecycle);
	type->program.attributes =
		dispatch_attributes_parse(type->attributes, &type->program.nattributes);
	error_context_stack = error_context.previous;
	dispatch_program_sort(&type->program);
	for (int i = 0; i < type->program.nattributes; i++)
		type->program.ndefaults += type->program.attributes[i].has_default;
	type->defaults = collect_defaults(&type->program);
	MemoryContextSwitchTo(caller);
	return cached;
}

/*
 * Reads a type with the rights of the tables' owner, since validation runs
 * with the caller's. NULL when there is none. An error restores the user with
 * its transaction.
 */
static CachedType *
read_type(DispatchStatement statement, Datum key, Snapshot snapshot)
{
	MemoryContext parent = CurrentMemoryContext;
	CachedType *cached = NULL;
	DispatchUser user = dispatch_become_owner();

	dispatch_connect();
	if (dispatch_query_snapshot(statement, &key, snapshot) > 0)
		cached = compile_row(parent);
	SPI_finish();
	dispatch_become_caller(&user);
	return cached;
}

/*
 * Puts a type into the tables; false when it is there already.
 */
static bool
keep(CachedType *cached)
{
	bool found;
	IdEntry *entry = hash_search(types_by_id, &cached->type.id, HASH_ENTER, &found);

	if (found && entry->cached != NULL)
		return false;
	entry->cached = NULL; /* the next step can fail */
	if (strlen(cached->type.name) < NAME_SIZE)
	{
		NameEntry *name_entry = hash_search(types_by_name, cached->type.name, HASH_ENTER, &found);

		name_entry->cached = cached;
	}
	entry->cached = cached;
	MemoryContextSetParent(cached->context, cache_context);
	return true;
}

/*
 * Loads a type; NULL when there is none. By the snapshot of the catalogs, which
 * is the latest, also where that of a REPEATABLE READ transaction is old, and
 * can be had in parallel mode.
 */
static const DispatchType *
load(DispatchStatement statement, Datum key)
{
	uint64 before = generation;
	Snapshot snapshot;
	CachedType *cached;

	/* Before the snapshot: a change that it does not show must be noted. */
	types_relid = dispatch_types_relid();
	snapshot = RegisterSnapshot(GetCatalogSnapshot(types_relid));
	cached = read_type(statement, key, snapshot);
	UnregisterSnapshot(snapshot);
	if (cached == NULL)
		return NULL;
	if (generation != before || !keep(cached))
		return &cached->type; /* lives in the current context */
	return use(cached);
}

/*
 * Makes the tables ready for a look-up that sees no stale type.
 */
static void
refresh(void)
{
	AcceptInvalidationMessages();
	make_tables();
	if (generation != noticed)
		drop_types();
	noticed = generation;
}

/*
 * The type with an id, P0002 when there is none. It may be used until the
 * current memory context ends.
 */
const DispatchType *
dispatch_type_by_id(const pg_uuid_t *id)
{
	const DispatchType *type;
	IdEntry *entry;

	refresh();
	entry = hash_search(types_by_id, id, HASH_FIND, NULL);
	if (entry != NULL && entry->cached != NULL)
		return use(entry->cached);
	type = load(DISPATCH_LOAD_TYPE_BY_ID, UUIDPGetDatum(id));
	if (type == NULL)
		dispatch_error_no_type(dispatch_uuid_text(id));
	return type;
}

/*
 * The same for a name or an id as text.
 */
const DispatchType *
dispatch_type_by_name(const char *name)
{
	const DispatchType *type;
	NameEntry *entry = NULL;
	pg_uuid_t id;

	if (dispatch_uuid_parse(name, &id))
		return dispatch_type_by_id(&id);
	refresh();
	if (strlen(name) < NAME_SIZE)
		entry = hash_search(types_by_name, name, HASH_FIND, NULL);
	if (entry != NULL)
		return use(entry->cached);
	type = load(DISPATCH_LOAD_TYPE_BY_NAME, CStringGetTextDatum(name));
	if (type == NULL)
		dispatch_error_no_type(name);
	return type;
}

PG_FUNCTION_INFO_V1(dispatch_type_changed);

/*
 * type_changed() → trigger: on dispatch.types, for each changed row and for TRUNCATE.
 */
Datum
dispatch_type_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"type_changed\" must be called as a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
