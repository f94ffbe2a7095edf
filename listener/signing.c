/*
 * signing.c
 *		The signing keys, and signatures as Standard Webhooks defines them.
 */
/* HMAC_CTX is in every OpenSSL from 1.1 on; 3.0 would have another in its place, which 1.1 has not. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "signing.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "log.h"
#include "memory.h"

/* Standard Webhooks asks for 24 to 64 bytes; a shorter key is refused, a longer one is no harm. */
#define SHORTEST_KEY 24
#define LONGEST_KEY 512

#define SPACE " \t\r\n"

struct HostKeys
{
	HostKeys *next;
	char *host;
	HMAC_CTX **keys; /* each ready for a message: to make it so takes longer than to sign one */
	size_t count;
};

struct SigningKeys
{
	HostKeys *hosts;
};

static bool read_keys(SigningKeys *keys, FILE *file, Text *trouble);
static const char *parse_line(SigningKeys *keys, char *line);
static const char *decode_key(const char *text, HMAC_CTX **key);
static HMAC_CTX *prepare_key(const unsigned char *bytes, size_t length);
static HostKeys *find_host(const SigningKeys *keys, const char *host);
static HostKeys *host_keys(SigningKeys *keys, const char *host);
static void warn_if_readable_by_others(const char *path, FILE *file);

/*
 * Reads a file of keys. On trouble, appends to the text what is wrong and in which line, never what
 * the line holds, and returns NULL. Else the caller frees the result with signing_keys_free().
 */
SigningKeys *
signing_keys_load(const char *path, Text *problem)
{
	SigningKeys *keys;
	FILE *file = fopen(path, "re");

	if (file == NULL)
	{
		text_printf(problem, "could not open signing keys \"%s\": %s", path, strerror(errno));
		return NULL;
	}
	warn_if_readable_by_others(path, file);
	keys = memory_get_zeroed(sizeof(*keys));
	text_printf(problem, "signing keys \"%s\"", path);
	if (!read_keys(keys, file, problem))
	{
		signing_keys_free(keys);
		keys = NULL;
	}
	fclose(file);
	return keys;
}

/* Overwrites and frees all keys. NULL is fine. */
void
signing_keys_free(SigningKeys *keys)
{
	HostKeys *next;

	if (keys == NULL)
		return;
	for (HostKeys *host = keys->hosts; host != NULL; host = next)
	{
		next = host->next;
		for (size_t i = 0; i < host->count; i++)
			HMAC_CTX_free(host->keys[i]);
		free(host->keys);
		free(host->host);
		free(host);
	}
	free(keys);
}

/* How many keys there are. */
int
signing_keys_count(const SigningKeys *keys)
{
	int count = 0;

	for (const HostKeys *host = keys->hosts; host != NULL; host = host->next)
		count += (int) host->count;
	return count;
}

/* The keys of a host, else those of "*", else NULL. They live as long as the SigningKeys. */
const HostKeys *
signing_keys_find(const SigningKeys *keys, const char *host)
{
	const HostKeys *found;

	if (keys == NULL)
		return NULL;
	found = find_host(keys, host);
	return found != NULL ? found : find_host(keys, "*");
}

/* Appends the signatures of a message: "v1,BASE64", one for each key, separated by spaces. */
void
signing_append(Text *signature, const HostKeys *keys, const char *message, size_t length)
{
	for (size_t i = 0; i < keys->count; i++)
	{
		unsigned char digest[EVP_MAX_MD_SIZE];
		unsigned char base64[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
		unsigned int size = 0;

		/* Without a key it is the one that was given before: 0.4 microseconds, not 1.3. */
		if (HMAC_Init_ex(keys->keys[i], NULL, 0, NULL, NULL) != 1 ||
			HMAC_Update(keys->keys[i], (const unsigned char *) message, length) != 1 ||
			HMAC_Final(keys->keys[i], digest, &size) != 1)
			memory_exhausted();
		EVP_EncodeBlock(base64, digest, (int) size);
		text_append_string(signature, i == 0 ? "v1," : " v1,");
		text_append_string(signature, (const char *) base64);
	}
}

/* Reads all lines. False: something is wrong, and the text says what. */
static bool
read_keys(SigningKeys *keys, FILE *file, Text *trouble)
{
	const char *problem = NULL;
	char *line = NULL;
	size_t capacity = 0;
	int number = 0;
	ssize_t length;

	while (problem == NULL && (length = getline(&line, &capacity, file)) >= 0)
	{
		number++;
		problem =
			strlen(line) != (size_t) length ? "a NUL byte in the line" : parse_line(keys, line);
	}
	if (problem != NULL)
		text_printf(trouble, ", line %d", number);
	else if (ferror(file))
		problem = "read error";
	else if (signing_keys_count(keys) == 0)
		problem = "no key in it"; /* perhaps it is being written */
	if (problem != NULL)
		text_printf(trouble, ": %s", problem);
	if (line != NULL)
		OPENSSL_cleanse(line, capacity);
	free(line);
	return problem == NULL;
}

/* Reads "host whsec_BASE64", a comment or an empty line. Returns NULL, or what is wrong. */
static const char *
parse_line(SigningKeys *keys, char *line)
{
	char *rest = NULL;
	char *host = strtok_r(line, SPACE, &rest);
	char *key = strtok_r(NULL, SPACE, &rest);
	char *more = strtok_r(NULL, SPACE, &rest);
	const char *problem;
	HostKeys *entry;

	if (host == NULL || host[0] == '#')
		return NULL;
	if (key == NULL)
		return "expected a host and a key";
	if (more != NULL && more[0] != '#')
		return "unexpected text after the key";
	if (strncmp(host, "whsec_", 6) == 0 || strchr(host, '/') != NULL)
		return "expected a host name, an address or \"*\" first";
	if (host[0] != '[' && strchr(host, ':') != NULL)
		return "a host is written without its port, an IPv6 address in brackets";

	entry = host_keys(keys, host);
	entry->keys = memory_resize(entry->keys, (entry->count + 1) * sizeof(HMAC_CTX *));
	problem = decode_key(key, &entry->keys[entry->count]);
	if (problem == NULL)
		entry->count++;
	return problem;
}

/* Decodes "whsec_BASE64". Returns NULL, or what is wrong. */
static const char *
decode_key(const char *text, HMAC_CTX **key)
{
	size_t length;
	size_t padding = 0;
	unsigned char decoded[LONGEST_KEY + 3];
	int size;

	if (strncmp(text, "whsec_", 6) != 0)
		return "a key starts with \"whsec_\"";
	text += 6;
	length = strlen(text);
	if (length == 0 || length % 4 != 0 || length / 4 * 3 > LONGEST_KEY)
		return "the key is not valid base64 (standard alphabet, with padding)";
	while (padding < 2 && text[length - 1 - padding] == '=')
		padding++;
	/* The decoder takes "=" anywhere and surrounding white space; a key has neither. */
	if (strcspn(text, "=") != length - padding)
		return "the key is not valid base64 (standard alphabet, with padding)";
	size = EVP_DecodeBlock(decoded, (const unsigned char *) text, (int) length);
	if (size < 0)
		return "the key is not valid base64 (standard alphabet, with padding)";

	length = (size_t) size - padding;
	if (length >= SHORTEST_KEY)
		*key = prepare_key(decoded, length);
	OPENSSL_cleanse(decoded, sizeof(decoded));
	return length < SHORTEST_KEY ? "the key is shorter than 24 bytes" : NULL;
}

/* What signs with a key, by HMAC-SHA256; keeps the key to itself. */
static HMAC_CTX *
prepare_key(const unsigned char *bytes, size_t length)
{
	HMAC_CTX *key = HMAC_CTX_new();

	if (key == NULL || HMAC_Init_ex(key, bytes, (int) length, EVP_sha256(), NULL) != 1)
		memory_exhausted();
	return key;
}

/* The entry of exactly this host, or NULL; host names have no case. */
static HostKeys *
find_host(const SigningKeys *keys, const char *host)
{
	for (HostKeys *entry = keys->hosts; entry != NULL; entry = entry->next)
		if (strcasecmp(entry->host, host) == 0)
			return entry;
	return NULL;
}

/* The entry of this host, made if need be. */
static HostKeys *
host_keys(SigningKeys *keys, const char *host)
{
	HostKeys *entry = find_host(keys, host);

	if (entry != NULL)
		return entry;
	entry = memory_get_zeroed(sizeof(*entry));
	entry->host = memory_copy_text(host);
	entry->next = keys->hosts;
	keys->hosts = entry;
	return entry;
}

/* Keys are secrets; a file that everybody may read is most likely an oversight, but not ours. */
static void
warn_if_readable_by_others(const char *path, FILE *file)
{
	struct stat status;

	if (fstat(fileno(file), &status) == 0 && (status.st_mode & S_IROTH) != 0)
		log_event(LEVEL_WARNING, "keys_readable", log_text("file", path),
				  log_text("reason", "every user can read it"));
}
