/*
 * request.c
 *		What a request says: its headers, and its signature.
 */
#include "request.h"

#include <string.h>
#include <time.h>

#include "log.h"
#include "memory.h"
#include "signing.h"

static struct curl_slist *append(struct curl_slist *list, const char *header);
static struct curl_slist *append_own(Request *request, struct curl_slist *list,
									 const char *headers);
static void make_signature(Request *request, const Delivery *delivery, const char *timestamp);

/*
 * The headers of a request that starts now: ours, and those of the callback. The caller frees them
 * with curl_slist_free_all().
 */
struct curl_slist *
request_headers(Request *request, Delivery *delivery)
{
	struct curl_slist *list = append(NULL, "Content-Type: application/json");
	Host *host = delivery->host;
	char timestamp[24];

	/* Without this, libcurl would ask for a "100 Continue" before a large body. */
	list = append(list, "Expect:");
	snprintf(timestamp, sizeof(timestamp), "%lld", (long long) time(NULL));

	text_clear(&request->line);
	text_append_string(&request->line, "webhook-id: ");
	text_append_string(&request->line, delivery->id);
	list = append(list, request->line.data);
	text_clear(&request->line);
	text_append_string(&request->line, "webhook-timestamp: ");
	text_append_string(&request->line, timestamp);
	list = append(list, request->line.data);
	if (host->keys != NULL)
	{
		make_signature(request, delivery, timestamp);
		list = append(list, request->line.data);
	}
	else if (!host->warned_of_no_key)
	{
		host->warned_of_no_key = true;
		log_event(LEVEL_WARNING, "unsigned", log_text("host", host->name),
				  log_text("reason", "no signing key for this host"));
	}
	return append_own(request, list, delivery->headers);
}

void
request_free(Request *request)
{
	text_free(&request->line);
	text_free(&request->message);
}

/* Appends one header; libcurl copies it. */
static struct curl_slist *
append(struct curl_slist *list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(list, header);

	if (longer == NULL)
		memory_exhausted();
	return longer;
}

/* Appends the callback's own headers, one a line. */
static struct curl_slist *
append_own(Request *request, struct curl_slist *list, const char *headers)
{
	while (*headers != '\0')
	{
		size_t length = strcspn(headers, "\n");

		text_clear(&request->line);
		text_append(&request->line, headers, length);
		list = append(list, request->line.data);
		headers += length;
		if (*headers == '\n')
			headers++;
	}
	return list;
}

/* Writes the header with the signatures over "id.timestamp.body" into the line. */
static void
make_signature(Request *request, const Delivery *delivery, const char *timestamp)
{
	text_clear(&request->message);
	text_append_string(&request->message, delivery->id);
	text_append_char(&request->message, '.');
	text_append_string(&request->message, timestamp);
	text_append_char(&request->message, '.');
	text_append(&request->message, delivery->body, delivery->body_length);

	text_clear(&request->line);
	text_append_string(&request->line, "webhook-signature: ");
	signing_append(&request->line, delivery->host->keys, request->message.data,
				   request->message.length);
}
