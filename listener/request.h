/*
 * request.h
 *		What a request says: its headers, and its signature.
 */
#ifndef LISTENER_REQUEST_H
#define LISTENER_REQUEST_H

#include <curl/curl.h>

#include "queue.h"
#include "text.h"

/* Memory that is used again for every request. Zeroed, it is ready. */
typedef struct Request
{
	Text line;
	Text message;
} Request;

extern struct curl_slist *request_headers(Request *request, Delivery *delivery);
extern void request_free(Request *request);

#endif
