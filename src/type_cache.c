/*
 * type_cache.c
 *	  Compiled dispatch types, kept by the session.
 *
 * A cached type is never stale: a trigger on dispatch.types sends a relcache
 * invalidation, of which every look-up takes notice first, and a type is
 * loaded with the latest snapshot, since that of a REPEATABLE READ transaction
 * may be old. A type that was invalidated while it was loaded is not kept.
 *
 * Whoever looks a type up has the use of it for as long as a memory context
 * lasts. Types that nobody uses are in a list, the latest used first: when the
 * cache takes more than dispatch.type_cache_size, they go from the list's end.
 * One in use stays; a stale one goes with its last user.
 */
#include "postgres.h"

#include "type_cache.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "error.h"
#include "owner.h"
#include "pattern.h"
#include "uuid.h"

#define NAME_SIZE 32 /* longer than a name can be */

/* A type with what the cache needs to know of it; lies in the type's context. */
typedef struct CachedType
{
	DispatchType *type;
	dlist_node node; /* in the list of those that nobody uses */
	Size size;
	uint64 generation; /* of the tables that it belongs to: those of another are stale */
	int users;
} CachedType;

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

/* What the session's cache has done, for dispatch.cache_stats(). */
typedef struct Statistics
{
	int64 types; /* that are cached */
	int64 hits;
	int64 builds;
	int64 invalidations;
	int64 evictions;
} Statistics;

int dispatch_type_cache_size = 16 * 1024;

static MemoryContext cache_context = NULL;
static MemoryContext tables_context = NULL;
static HTAB *types_by_id = NULL;
static HTAB *types_by_name = NULL;
static Oid types_relid = InvalidOid;
static dlist_head unused_types = DLIST_STATIC_INIT(unused_types);
static Statistics statistics;

/* The memory of all types, stale ones that are still used too, and that of the tables. */
static Size size_of_types = 0;
static Size size_of_tables = 0;

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
	control.hcxt = tables_context;
	return hash_create(name, 64, &control, HASH_ELEM | HASH_CONTEXT | flags);
}

/*
 * Makes what is not there yet, so that an error in between does no harm.
 */
static void
make_tables(void)
{
	if (cache_context == NULL)
		cache_context =
			AllocSetContextCreate(CacheMemoryContext, "dispatch types", ALLOCSET_SMALL_SIZES);
	if (tables_context == NULL)
		tables_context =
			AllocSetContextCreate(cache_context, "dispatch type tables", ALLOCSET_SMALL_SIZES);
	if (types_by_id == NULL)
		types_by_id = make_table("dispatch types by id", UUID_LEN, sizeof(IdEntry), HASH_BLOBS);
	if (types_by_name == NULL)
		types_by_name =
			make_table("dispatch types by name", NAME_SIZE, sizeof(NameEntry), HASH_STRINGS);
}

/*
 * Notes how much memory a type has now: its patterns get some while they are
 * used.
 */
static void
note_size(CachedType *cached)
{
	Size size = MemoryContextMemAllocated(cached->type->context, true);

	size_of_types += size - cached->size;
	cached->size = size;
}

/*
 * The memory of the whole cache.
 */
static Size
total_size(void)
{
	return size_of_types + size_of_tables + dispatch_pattern_code_size;
}

static void
free_type(CachedType *cached)
{
	size_of_types -= cached->size;
	MemoryContextDelete(cached->type->context);
}

/*
 * Drops a type that nobody uses, and takes it out of the tables.
 */
static void
evict(CachedType *cached)
{
	NameEntry *entry = hash_search(types_by_name, cached->type->name, HASH_FIND, NULL);

	if (entry != NULL && entry->cached == cached)
		(void) hash_search(types_by_name, entry->name, HASH_REMOVE, NULL);
	(void) hash_search(types_by_id, &cached->type->id, HASH_REMOVE, NULL);
	dlist_delete(&cached->node);
	free_type(cached);
	statistics.types--;
	statistics.evictions++;
}

static void
drop_tables(void)
{
	if (tables_context != NULL)
		MemoryContextDelete(tables_context);
	tables_context = NULL;
	types_by_id = types_by_name = NULL;
	size_of_tables = 0;
}

/*
 * Drops the types that were not used for longest, until the cache is as small
 * as it should be. The tables do not shrink: they go with the last type.
 */
static void
shrink(void)
{
	Size limit = (Size) dispatch_type_cache_size * 1024;

	while (total_size() > limit && !dlist_is_empty(&unused_types))
		evict(dlist_container(CachedType, node, dlist_tail_node(&unused_types)));
	if (total_size() > limit && statistics.types == 0)
		drop_tables();
}

/*
 * Drops the tables and all types but those in use, which are stale from now on.
 */
static void
drop_types(void)
{
	dlist_mutable_iter place;

	noticed = generation;
	drop_tables();
	dlist_foreach_modify(place, &unused_types)
	{
		dlist_delete(place.cur);
		free_type(dlist_container(CachedType, node, place.cur));
	}
	statistics.invalidations += statistics.types;
	statistics.types = 0;
}

/*
 * Ends the use of the type that was asked for last, if there is one.
 */
static void
end_use(void *arg)
{
	DispatchTypeUse *use = (DispatchTypeUse *) arg;
	CachedType *cached = use->cached;

	use->cached = NULL;
	if (cached == NULL || --cached->users > 0)
		return;
	if (cached->generation != noticed)
	{
		free_type(cached);
		return;
	}
	note_size(cached);
	dlist_push_head(&unused_types, &cached->node);
	shrink();
}

/*
 * Prepares a use that ends with a context; it must live as long.
 */
void
dispatch_type_use_begin(DispatchTypeUse *use, MemoryContext context)
{
	use->cached = NULL;
	use->at_end.func = end_use;
	use->at_end.arg = use;
	MemoryContextRegisterResetCallback(context, &use->at_end);
}

static const DispatchType *
begin_use(DispatchTypeUse *use, CachedType *cached)
{
	if (cached->users++ == 0)
		dlist_delete(&cached->node);
	use->cached = cached;
	use->key_length = 0;
	return cached->type;
}

/*
 * Puts a type into the tables, as one that nobody uses; NULL when it is there
 * already.
 */
static CachedType *
keep(DispatchType *type)
{
	CachedType *cached = MemoryContextAllocZero(type->context, sizeof(CachedType));
	bool found;
	IdEntry *entry;

	make_tables();
	entry = hash_search(types_by_id, &type->id, HASH_ENTER, &found);
	if (found && entry->cached != NULL)
		return NULL;
	entry->cached = NULL; /* the next step can fail */
	if (strlen(type->name) < NAME_SIZE)
	{
		NameEntry *name_entry = hash_search(types_by_name, type->name, HASH_ENTER, &found);

		name_entry->cached = cached;
	}
	entry->cached = cached;
	cached->type = type;
	cached->generation = noticed;
	MemoryContextSetParent(type->context, cache_context);
	dlist_push_head(&unused_types, &cached->node);
	size_of_tables = MemoryContextMemAllocated(tables_context, true);
	note_size(cached);
	statistics.types++;
	return cached;
}

/*
 * Loads a type; NULL when there is none.
 */
static const DispatchType *
load(DispatchTypeUse *use, DispatchTypeColumn column, Datum key)
{
	uint64 before = generation;
	DispatchType *type;
	CachedType *cached;

	/* Before the type is read: a change that is not seen must be noted. */
	types_relid = dispatch_types_relid();
	type = dispatch_type_load(types_relid, column, key);
	if (type == NULL)
		return NULL;
	statistics.builds++;
	if (generation != before || (cached = keep(type)) == NULL)
		return type; /* lives in the current context */
	(void) begin_use(use, cached);
	shrink();
	return type;
}

/*
 * Takes notice of changes, so that a look-up sees no stale type.
 */
static void
refresh(void)
{
	AcceptInvalidationMessages();
	if (generation != noticed)
		drop_types();
}

static bool
is_current(const DispatchTypeUse *use)
{
	return use->cached != NULL && use->cached->generation == noticed;
}

/*
 * Finds or loads the type with an id; P0002 when there is none.
 */
static const DispatchType *
find_by_id(DispatchTypeUse *use, const pg_uuid_t *id)
{
	const DispatchType *type;
	IdEntry *entry = NULL;

	end_use(use);
	if (types_by_id != NULL)
		entry = hash_search(types_by_id, id, HASH_FIND, NULL);
	if (entry != NULL && entry->cached != NULL)
	{
		statistics.hits++;
		return begin_use(use, entry->cached);
	}
	type = load(use, DISPATCH_TYPE_ID, UUIDPGetDatum(id));
	if (type == NULL)
		dispatch_error_no_type(dispatch_uuid_text(id));
	return type;
}

/*
 * The same for a name or an id as text.
 */
static const DispatchType *
find_by_name(DispatchTypeUse *use, const char *name)
{
	const DispatchType *type;
	NameEntry *entry = NULL;
	pg_uuid_t id;

	if (dispatch_uuid_parse(name, &id))
		return find_by_id(use, &id);
	end_use(use);
	if (types_by_name != NULL && strlen(name) < NAME_SIZE)
		entry = hash_search(types_by_name, name, HASH_FIND, NULL);
	if (entry != NULL)
	{
		statistics.hits++;
		return begin_use(use, entry->cached);
	}
	type = load(use, DISPATCH_TYPE_NAME, CStringGetTextDatum(name));
	if (type == NULL)
		dispatch_error_no_type(name);
	return type;
}

/*
 * The type with an id, P0002 when there is none. It may be used until the use
 * asks for another, or its context ends; one that is not kept, because it
 * changed while it was loaded, until the current context ends.
 */
const DispatchType *
dispatch_type_use_id(DispatchTypeUse *use, const pg_uuid_t *id)
{
	refresh();
	if (!is_current(use) || memcmp(&use->cached->type->id, id, UUID_LEN) != 0)
		return find_by_id(use, id);
	statistics.hits++;
	return use->cached->type;
}

/*
 * The same for a name or an id as text.
 */
const DispatchType *
dispatch_type_use_name(DispatchTypeUse *use, const text *name)
{
	const char *key = VARDATA_ANY(name);
	int length = VARSIZE_ANY_EXHDR(name);
	const DispatchType *type;

	refresh();
	if (is_current(use) && length == use->key_length && memcmp(use->key, key, length) == 0)
	{
		statistics.hits++;
		return use->cached->type;
	}
	type = find_by_name(use, text_to_cstring(name));
	if (length <= DISPATCH_TYPE_KEY_SIZE)
	{
		memcpy(use->key, key, length);
		use->key_length = length;
	}
	return type;
}

/*
 * A use for the rest of the current context.
 */
static DispatchTypeUse *
make_use(void)
{
	DispatchTypeUse *use = palloc(sizeof(DispatchTypeUse));

	dispatch_type_use_begin(use, CurrentMemoryContext);
	return use;
}

/*
 * The type with an id, P0002 when there is none. It may be used until the
 * current memory context ends.
 */
const DispatchType *
dispatch_type_by_id(const pg_uuid_t *id)
{
	refresh();
	return find_by_id(make_use(), id);
}

/*
 * The same for a name or an id as text.
 */
const DispatchType *
dispatch_type_by_name(const char *name)
{
	refresh();
	return find_by_name(make_use(), name);
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

PG_FUNCTION_INFO_V1(dispatch_cache_stats);

/*
 * cache_stats() → (types, bytes, hits, builds, invalidations, evictions), all
 * bigint: the state of this session's cache, and what it has done so far.
 */
Datum
dispatch_cache_stats(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[6];
	bool nulls[6] = { false };

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	refresh();
	shrink();
	values[0] = Int64GetDatum(statistics.types);
	values[1] = Int64GetDatum((int64) total_size());
	values[2] = Int64GetDatum(statistics.hits);
	values[3] = Int64GetDatum(statistics.builds);
	values[4] = Int64GetDatum(statistics.invalidations);
	values[5] = Int64GetDatum(statistics.evictions);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
