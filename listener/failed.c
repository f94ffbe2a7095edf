/*
 * failed.c
 *		The callbacks that failed, and were not delivered since: with --once, what is left of those
 *		that were due.
 */
#include "failed.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define BUCKETS 4096 /* a power of two */

typedef struct Entry
{
	struct Entry *next;
	char id[];
} Entry;

struct Failed
{
	Entry *buckets[BUCKETS];
	int count;
};

static Entry **find(Failed *failed, const char *id);
static void add(Failed *failed, Entry **link, const char *id);
static void drop(Failed *failed, Entry **link);

/* Makes an empty set; failed_free() frees it. */
Failed *
failed_create(void)
{
	return memory_get_zeroed(sizeof(Failed));
}

/* NULL is fine, here and below. */
void
failed_free(Failed *failed)
{
	if (failed == NULL)
		return;
	for (int i = 0; i < BUCKETS; i++)
		while (failed->buckets[i] != NULL)
			drop(failed, &failed->buckets[i]);
	free(failed);
}

/* A request for a callback has ended: settled, or failed. */
void
failed_note(Failed *failed, const char *id, bool settled)
{
	Entry **link;

	if (failed == NULL)
		return;
	link = find(failed, id);
	if (settled && *link != NULL)
		drop(failed, link);
	else if (!settled && *link == NULL)
		add(failed, link, id);
}

/* How many have failed and were not delivered since. */
int
failed_count(const Failed *failed)
{
	return failed != NULL ? failed->count : 0;
}

/* Where a callback is, or would be added. FNV-1a. */
static Entry **
find(Failed *failed, const char *id)
{
	uint32_t hash = 2166136261u;
	Entry **link;

	for (const char *at = id; *at != '\0'; at++)
		hash = (hash ^ (uint32_t) (unsigned char) *at) * 16777619u;
	link = &failed->buckets[hash & (BUCKETS - 1)];
	while (*link != NULL && strcmp((*link)->id, id) != 0)
		link = &(*link)->next;
	return link;
}

static void
add(Failed *failed, Entry **link, const char *id)
{
	size_t size = strlen(id) + 1;
	Entry *entry = memory_get(sizeof(*entry) + size);

	entry->next = NULL;
	memcpy(entry->id, id, size);
	*link = entry;
	failed->count++;
}

static void
drop(Failed *failed, Entry **link)
{
	Entry *entry = *link;

	*link = entry->next;
	free(entry);
	failed->count--;
}
