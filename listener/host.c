/*
 * host.c
 *		The hosts that callbacks go to.
 */
#include "host.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define BUCKETS 1024 /* a power of two */

/* Hosts without work are forgotten when there are more than this; a URL's host is anybody's choice.
 */
#define HOSTS_KEPT 4096

struct HostTable
{
	const SigningKeys *keys;
	Host *buckets[BUCKETS];
	int count;
};

static size_t authority_of(const char *url, const char **start);
static uint32_t hash_authority(const char *text, size_t length);
static bool same_authority(const Host *host, const char *text, size_t length);
static Host *host_create(const HostTable *table, const char *url, const char *authority,
						 size_t length);
static char *normalized_name(const char *url);
static void host_free(Host *host);

/* Makes a table that looks keys up in these; host_table_free() frees it and all hosts. */
HostTable *
host_table_create(const SigningKeys *keys)
{
	HostTable *table = memory_get_zeroed(sizeof(*table));

	table->keys = keys;
	return table;
}

void
host_table_free(HostTable *table)
{
	for (int i = 0; i < BUCKETS; i++)
	{
		Host *next;

		for (Host *host = table->buckets[i]; host != NULL; host = next)
		{
			next = host->next_in_bucket;
			host_free(host);
		}
	}
	free(table);
}

/* Looks all keys up in these from now on; the former ones are not used any more. */
void
host_table_set_keys(HostTable *table, const SigningKeys *keys)
{
	table->keys = keys;
	for (int i = 0; i < BUCKETS; i++)
		for (Host *host = table->buckets[i]; host != NULL; host = host->next_in_bucket)
		{
			host->keys = signing_keys_find(keys, host->name);
			host->warned_of_no_key = false;
		}
}

/* The host of a URL, made if it is new. The table owns it. */
Host *
host_find(HostTable *table, const char *url)
{
	const char *authority;
	size_t length = authority_of(url, &authority);
	uint32_t bucket = hash_authority(authority, length) & (BUCKETS - 1);
	Host *host;

	for (host = table->buckets[bucket]; host != NULL; host = host->next_in_bucket)
		if (same_authority(host, authority, length))
			return host;

	host = host_create(table, url, authority, length);
	host->bucket = bucket;
	host->next_in_bucket = table->buckets[bucket];
	table->buckets[bucket] = host;
	table->count++;
	return host;
}

/* The host after another one, the first after NULL, in no order; NULL: there is no other. */
Host *
host_next(const HostTable *table, const Host *host)
{
	uint32_t bucket = 0;

	if (host != NULL && host->next_in_bucket != NULL)
		return host->next_in_bucket;
	if (host != NULL)
		bucket = host->bucket + 1;
	while (bucket < BUCKETS && table->buckets[bucket] == NULL)
		bucket++;
	return bucket < BUCKETS ? table->buckets[bucket] : NULL;
}

/* Forgets hosts without work where there are too many. To be called while no delivery is being
 * made. */
void
host_tidy(HostTable *table)
{
	if (table->count <= HOSTS_KEPT)
		return;
	for (int i = 0; i < BUCKETS; i++)
	{
		Host **link = &table->buckets[i];

		while (*link != NULL)
		{
			Host *host = *link;

			if (host->active > 0 || host->queued > 0)
			{
				link = &host->next_in_bucket;
				continue;
			}
			*link = host->next_in_bucket;
			host_free(host);
			table->count--;
		}
	}
}

/* What stands between "://" and the path; the whole where a URL is none. */
static size_t
authority_of(const char *url, const char **start)
{
	const char *scheme_end = strstr(url, "://");

	*start = scheme_end != NULL ? scheme_end + 3 : url;
	return strcspn(*start, "/?#\\");
}

/* FNV-1a over the lower case. */
static uint32_t
hash_authority(const char *text, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint32_t) tolower((unsigned char) text[i])) * 16777619u;
	return hash;
}

static bool
same_authority(const Host *host, const char *text, size_t length)
{
	return strncasecmp(host->authority, text, length) == 0 && host->authority[length] == '\0';
}

static Host *
host_create(const HostTable *table, const char *url, const char *authority, size_t length)
{
	Host *host = memory_get_zeroed(sizeof(*host));

	host->authority = memory_get(length + 1);
	memcpy(host->authority, authority, length);
	host->authority[length] = '\0';
	host->name = normalized_name(url);
	host->keys = signing_keys_find(table->keys, host->name);
	host->failure_logged = -SECOND;
	return host;
}

/*
 * The host as libcurl understands the URL, so that a key is never given to a host by another
 * reading of it, without the dot that ends a full name. "(invalid)" where libcurl would refuse the
 * URL. The caller frees it.
 */
static char *
normalized_name(const char *url)
{
	CURLU *parsed = curl_url();
	char *part = NULL;
	char *name;
	size_t length;

	if (parsed == NULL)
		memory_exhausted();
	if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_HOST, &part, 0) == CURLUE_OK)
		name = memory_copy_text(part);
	else
		name = memory_copy_text("(invalid)");
	length = strlen(name);
	if (length > 1 && name[length - 1] == '.')
		name[length - 1] = '\0';
	curl_free(part);
	curl_url_cleanup(parsed);
	return name;
}

static void
host_free(Host *host)
{
	free(host->authority);
	free(host->name);
	free(host);
}
