/*
 * callback.c
 *	  The callback that an operation may carry: its argument, checked.
 *
 * URLs and headers hold tokens, so no message shows them.
 */
#include "postgres.h"

#include "callback.h"

#include <arpa/inet.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "decimal.h"
#include "document.h"
#include "error.h"

#define URL_MAX_LENGTH 2048
#define HEADERS_MAX 32
#define HEADERS_MAX_SIZE 8192
#define PORT_MAX 65535
#define STATUS_CODES_MAX 500

#define ALPHA "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGIT "0123456789"

/* What a token consists of (RFC 9110, section 5.6.2). */
#define TOKEN ALPHA DIGIT "!#$%&'*+-.^_`|~"

/*
 * What a host that is no IP literal consists of: less than RFC 3986 (section
 * 3.2.2) allows, so that no name can be written in two ways.
 */
#define HOST ALPHA DIGIT "-._"

/* Headers that are the listener's to set. A name that ends in - is a prefix. */
static const char *const reserved_headers[] = {
	"host",    "content-length", "content-type", "transfer-encoding", "connection", "te", "trailer",
	"upgrade", "expect",         "proxy-",       "webhook-"
};

pg_noreturn static void error_callback(const char *detail);

static void
error_callback(const char *detail)
{
	dispatch_error_malformed_detail("callback", detail);
}

/*
 * Checks the port, from its colon to the end of the authority.
 */
static void
check_port(const char *colon, const char *end)
{
	int port = 0;

	for (const char *digit = colon + 1; digit < end; digit++)
	{
		if (*digit < '0' || *digit > '9')
			error_callback("The port of its \"url\" is not a number.");
		port = port * 10 + (*digit - '0');
		if (port > PORT_MAX)
			error_callback("The port of its \"url\" is above 65535.");
	}
	if (colon + 1 == end || port == 0)
		error_callback("The port of its \"url\" is missing or 0.");
}

/*
 * The end of an IPv6 address in brackets.
 */
static const char *
ipv6_end(const char *bracket, const char *end)
{
	const char *closing = memchr(bracket, ']', end - bracket);
	struct in6_addr address;

	if (closing == NULL ||
		inet_pton(AF_INET6, pnstrdup(bracket + 1, closing - bracket - 1), &address) != 1)
		error_callback("The host of its \"url\" is not an IPv6 address.");
	return closing + 1;
}

/*
 * Makes a host's name the one that callbacks know it by: in lower case, without a last dot.
 */
void
dispatch_host_normalize(char *host)
{
	size_t length = strlen(host);

	if (length > 0 && host[length - 1] == '.')
		host[length - 1] = '\0';
	for (char *letter = host; *letter != '\0'; letter++)
		*letter = pg_ascii_tolower((unsigned char) *letter);
}

/*
 * The host of an authority, in lower case and without a last dot; a port is
 * checked and left out.
 */
static char *
parse_authority(const char *authority, size_t length)
{
	const char *end = authority + length;
	const char *host_end;
	char *host;

	if (memchr(authority, '@', length) != NULL)
		error_callback("Its \"url\" must not hold a user or a password.");
	if (length > 0 && *authority == '[')
		host_end = ipv6_end(authority, end);
	else
		host_end = authority + strspn(authority, HOST);
	if (host_end == authority || *authority == '.')
		error_callback("Its \"url\" has no host.");
	if (host_end < end && *host_end != ':')
		error_callback("The host of its \"url\" holds a character that a host cannot have.");
	if (host_end < end)
		check_port(host_end, end);
	host = pnstrdup(authority, host_end - authority);
	dispatch_host_normalize(host);
	return host;
}

/*
 * Checks a URL (RFC 3986; http or https, absolute); its host.
 */
static char *
parse_url(const char *url)
{
	size_t length = strlen(url);
	const char *authority;

	if (length > URL_MAX_LENGTH)
		error_callback("Its \"url\" is longer than 2048 bytes.");
	for (size_t i = 0; i < length; i++)
		if (url[i] <= ' ' || url[i] > '~' || strchr("\"<>\\^`{|}", url[i]) != NULL)
			error_callback("Its \"url\" holds a character that must be percent-encoded.");
	if (pg_strncasecmp(url, "https://", 8) == 0)
		authority = url + 8;
	else if (pg_strncasecmp(url, "http://", 7) == 0)
		authority = url + 7;
	else
		error_callback("Its \"url\" must be an absolute http or https URL.");
	if (strchr(url, '#') != NULL)
		error_callback("Its \"url\" must not have a fragment.");
	return parse_authority(authority, strcspn(authority, "/?"));
}

static bool
is_reserved(const char *key)
{
	for (int i = 0; i < (int) lengthof(reserved_headers); i++)
	{
		const char *name = reserved_headers[i];
		size_t length = strlen(name);

		if (name[length - 1] == '-' ? pg_strncasecmp(key, name, length) == 0
									: pg_strcasecmp(key, name) == 0)
			return true;
	}
	return false;
}

/*
 * Whether a text has a control character (U+0000 to U+001F, U+007F to U+009F) other than HTAB.
 */
static bool
has_control(const char *text, int length)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;

	for (int i = 0; i < length; i++)
	{
		unsigned char byte = text[i];

		if ((byte < ' ' && byte != '\t') || byte == 0x7F)
			return true;
		/* U+0080 to U+009F, of which U+00A0 differs by its second byte */
		if (utf8 && byte == 0xC2 && i + 1 < length && (unsigned char) text[i + 1] < 0xA0)
			return true;
	}
	return false;
}

/*
 * Checks one header; returns its size. position counts from 1.
 */
static int
check_header(const DispatchValue *header, int position)
{
	DispatchValue key;
	DispatchValue value;
	char *name;

	if (header->kind != DISPATCH_OBJECT || !dispatch_find(header->as.container, "key", &key) ||
		!dispatch_find(header->as.container, "value", &value) ||
		JsonContainerSize(header->as.container) != 2 || key.kind != DISPATCH_STRING ||
		value.kind != DISPATCH_STRING)
		error_callback(psprintf("Header %d must be an object of two strings, \"key\" and "
								"\"value\".",
								position));
	name = dispatch_value_string(&key);
	if (*name == '\0' || strspn(name, TOKEN) != strlen(name))
		error_callback(psprintf("The key of header %d is not a token.", position));
	if (is_reserved(name))
		error_callback(psprintf("Header %d is one that a callback cannot set.", position));
	if (has_control(value.as.string, value.length))
		error_callback(psprintf("The value of header %d holds a control character.", position));
	return key.length + value.length;
}

static Jsonb *
parse_headers(const DispatchValue *headers)
{
	DispatchWalk walk;
	DispatchValue header;
	int size = 0;

	if (headers->kind != DISPATCH_ARRAY)
		error_callback("Its \"headers\" must be an array.");
	walk = dispatch_walk(headers->as.container);
	if (walk.count > HEADERS_MAX)
		error_callback("It has more than 32 headers.");
	while (dispatch_walk_element(&walk, &header))
		size += check_header(&header, walk.next);
	if (size > HEADERS_MAX_SIZE)
		error_callback("Its headers are larger than 8192 bytes together.");
	return dispatch_value_document(headers);
}

static const char *
parse_method(const DispatchValue *method)
{
	if (method->kind == DISPATCH_STRING && method->length == 4 &&
		memcmp(method->as.string, "POST", 4) == 0)
		return "POST";
	if (method->kind == DISPATCH_STRING && method->length == 3 &&
		memcmp(method->as.string, "PUT", 3) == 0)
		return "PUT";
	error_callback("Its \"method\" must be POST or PUT.");
}

/*
 * Whether what the operation does is to wait for the answer.
 */
static bool
parse_wait(const DispatchValue *wait)
{
	if (wait->kind != DISPATCH_BOOLEAN)
		error_callback("Its \"wait\" must be true or false.");
	return wait->as.boolean;
}

/*
 * The status codes that accept, as an array of integers.
 */
static ArrayType *
parse_status_codes(const DispatchValue *codes)
{
	DispatchWalk walk;
	DispatchValue code;
	Datum *accept;
	int count = 0;

	if (codes->kind != DISPATCH_ARRAY || JsonContainerSize(codes->as.container) == 0)
		error_callback("Its \"acceptableStatusCodes\" must be an array that is not empty.");
	if (JsonContainerSize(codes->as.container) > STATUS_CODES_MAX)
		error_callback("It has more than 500 \"acceptableStatusCodes\".");
	accept = palloc(JsonContainerSize(codes->as.container) * sizeof(Datum));
	walk = dispatch_walk(codes->as.container);
	while (dispatch_walk_element(&walk, &code))
	{
		int64 whole = 0;

		if (code.kind == DISPATCH_NUMBER)
		{
			DispatchDecimal decimal = dispatch_decimal(code.as.number);

			if (!dispatch_decimal_whole(&decimal, &whole))
				whole = 0;
		}
		if (whole < 100 || whole > 599)
			error_callback("Each of its \"acceptableStatusCodes\" must be a whole number from 100 "
						   "to 599.");
		accept[count++] = Int32GetDatum((int32) whole);
	}
	return construct_array(accept, count, INT4OID, sizeof(int32), true, TYPALIGN_INT);
}

static void
parse_destination(DispatchCallback *callback, const DispatchValue *url)
{
	if (url->kind != DISPATCH_STRING)
		error_callback("Its \"url\" must be a string.");
	callback->url = dispatch_value_string(url);
	callback->host = parse_url(callback->url);
}

/*
 * Reads one member of the argument; value is NULL where it is JSON null.
 */
static void
parse_member(DispatchCallback *callback, const char *name, const DispatchValue *value)
{
	static const char *const names[] = { "url", "headers", "method", "wait",
										 "acceptableStatusCodes" };
	int i = 0;

	while (i < (int) lengthof(names) && strcmp(name, names[i]) != 0)
		i++;
	if (i == (int) lengthof(names))
		error_callback(psprintf("It has an unknown member, \"%s\"; known are url, headers, method, "
								"wait and acceptableStatusCodes.",
								dispatch_cut(name)));
	if (value == NULL)
		return;
	switch (i)
	{
		case 0:
			parse_destination(callback, value);
			break;
		case 1:
			callback->headers = parse_headers(value);
			break;
		case 2:
			callback->method = parse_method(value);
			break;
		case 3:
			callback->wait = parse_wait(value);
			break;
		case 4:
			callback->accept = parse_status_codes(value);
			break;
	}
}

/*
 * Reads a callback argument, {"url", "headers", "method", "wait",
 * "acceptableStatusCodes"}; JSON null counts as absent. 22023 where it is
 * malformed. NULL for NULL and JSON null.
 */
DispatchCallback *
dispatch_callback_parse(const Jsonb *argument)
{
	DispatchCallback *callback;
	DispatchValue root;
	DispatchWalk walk;
	DispatchKey key;
	DispatchValue value;

	if (argument == NULL || (root = dispatch_root(argument)).kind == DISPATCH_NULL)
		return NULL;
	if (root.kind != DISPATCH_OBJECT)
		error_callback("It must be a JSON object.");
	callback = palloc0(sizeof(DispatchCallback));
	callback->method = "POST";
	walk = dispatch_walk(root.as.container);
	while (dispatch_walk_member(&walk, &key, &value))
		parse_member(callback, pnstrdup(key.data, key.length),
					 value.kind != DISPATCH_NULL ? &value : NULL);
	if (callback->url == NULL)
		error_callback("It has no \"url\".");
	if (callback->headers == NULL)
		callback->headers = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
	if (callback->accept == NULL)
		callback->accept = construct_empty_array(INT4OID);
	return callback;
}
