/*
 * servers.h
 *		The servers of a connection string: which one is tried first, and for how long.
 */
#ifndef LISTENER_SERVERS_H
#define LISTENER_SERVERS_H

#include <libpq-fe.h>

#include "clock.h"

/* What of the connection string changes from one attempt to the next. Empty: as it was given. */
typedef struct Servers
{
	const char *dbname;
	char *host;
	char *hostaddr;
	char *port;
} Servers;

extern PGconn *servers_connect(const Servers *servers);
extern Microseconds servers_patience(PGconn *connection);
extern void servers_skip_first(Servers *servers, PGconn *connection);
extern void servers_free(Servers *servers);

#endif
