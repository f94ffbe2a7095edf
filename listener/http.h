/*
 * http.h
 *		A small HTTP server in the event loop, for monitoring.
 */
#ifndef LISTENER_HTTP_H
#define LISTENER_HTTP_H

#include <stdbool.h>

#include "clock.h"
#include "loop.h"
#include "text.h"

typedef struct HttpServer HttpServer;

/* Writes the page of a path (without its query); returns the status, 404 where there is none. */
typedef int (*HttpPage)(void *argument, const char *path, Text *page);

extern bool http_is_address(const char *text);
extern HttpServer *http_create(Loop *loop, const char *address, HttpPage page, void *argument);
extern void http_free(HttpServer *server);
extern Microseconds http_tick(HttpServer *server, Microseconds now);

#endif
