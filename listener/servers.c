/*
 * servers.c
 *		The servers of a connection string: which one is tried first, and for how long.
 *
 * libpq goes to the next server of several when one refuses. One that takes the connection and then
 * says nothing would stop it for ever: of connections that do not block the caller keeps the time,
 * and cannot tell libpq to go on. So the next attempt begins with the next server.
 */
#include "servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* How long an attempt to connect may take, setup included, unless connect_timeout says otherwise. */
#define CONNECT_TIME (15 * SECOND)

static char *parameter_of(PGconn *connection, const char *keyword);
static void rotate(char *list);

/*
 * Begins to connect. Names are resolved here and now (libpq knows no other way); everything else is
 * the caller's to go on with, who closes the connection, also one that is bad from the start.
 *
 * What the user does not choose: a server that takes writes, since a standby has no use for us; and
 * to find out within 15 seconds or so that a server has vanished, also while connecting.
 */
PGconn *
servers_connect(const Servers *servers)
{
	const char *attributes = getenv("PGTARGETSESSIONATTRS");
	const struct
	{
		const char *keyword;
		const char *value;
	} parameters[] = {
		{ "target_session_attrs",
		  attributes != NULL && attributes[0] != '\0' ? attributes : "read-write" },
		{ "keepalives_idle", "10" },
		{ "keepalives_interval", "3" },
		{ "keepalives_count", "3" },
		{ "tcp_user_timeout", "10000" },
		/* what stands in the connection string overrides the above, and not what follows */
		{ "dbname", servers->dbname },
		{ "host", servers->host },
		{ "hostaddr", servers->hostaddr },
		{ "port", servers->port },
		{ "client_encoding", "UTF8" },
		{ "fallback_application_name", "dispatch-listener" },
	};
	enum
	{
		COUNT = sizeof(parameters) / sizeof(parameters[0])
	};
	const char *keywords[COUNT + 1] = { NULL };
	const char *values[COUNT + 1] = { NULL };
	PGconn *connection;

	for (int i = 0; i < COUNT; i++)
	{
		keywords[i] = parameters[i].keyword;
		values[i] = parameters[i].value;
	}
	connection = PQconnectStartParams(keywords, values, 1);
	if (connection == NULL)
		memory_exhausted();
	return connection;
}

/* How long this attempt to connect may take. */
Microseconds
servers_patience(PGconn *connection)
{
	char *text = parameter_of(connection, "connect_timeout");
	int seconds = text != NULL ? atoi(text) : 0;

	free(text);
	return seconds > 0 ? seconds * SECOND : CONNECT_TIME;
}

/* The attempt has taken too long: the next one begins with the next server. */
void
servers_skip_first(Servers *servers, PGconn *connection)
{
	const char *dbname = servers->dbname;
	Servers next = { .dbname = dbname,
					 .host = parameter_of(connection, "host"),
					 .hostaddr = parameter_of(connection, "hostaddr"),
					 .port = parameter_of(connection, "port") };

	rotate(next.host);
	rotate(next.hostaddr);
	rotate(next.port);
	servers_free(servers);
	*servers = next;
}

void
servers_free(Servers *servers)
{
	free(servers->host);
	free(servers->hostaddr);
	free(servers->port);
}

/* A connection's parameter, wherever it came from, or NULL; the caller frees it. */
static char *
parameter_of(PGconn *connection, const char *keyword)
{
	PQconninfoOption *options = PQconninfo(connection);
	char *value = NULL;

	if (options == NULL)
		memory_exhausted();
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
		if (option->val != NULL && strcmp(option->keyword, keyword) == 0)
			value = memory_copy_text(option->val);
	PQconninfoFree(options);
	return value;
}

/* Moves the first element of a list with commas to its end; NULL is no list. */
static void
rotate(char *list)
{
	char *comma = list != NULL ? strchr(list, ',') : NULL;
	char *first;

	if (comma == NULL)
		return;
	*comma = '\0';
	first = memory_copy_text(list);
	memmove(list, comma + 1, strlen(comma + 1) + 1);
	strcat(list, ",");
	strcat(list, first);
	free(first);
}
