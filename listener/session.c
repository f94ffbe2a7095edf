/*
 * session.c
 *		One database session.
 *
 * Whatever goes wrong, a lost connection, a statement that fails, a server that has become a
 * standby or has got another version of the extension, is met in one way: log it, drop the
 * connection, connect again after a while. Who runs statements learns that the last one failed, and
 * runs it again.
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "memory.h"
#include "servers.h"
#include "text.h"

#define FIRST_BACKOFF (100 * MILLISECOND)
#define LONGEST_BACKOFF (10 * SECOND)

/* The server itself ends a statement that takes too long; how long it may need to say so. */
#define LAST_WORDS_TIME (1 * SECOND)

/* What the setup asks for at its end. */
#define CLOCK_SQL "SELECT extract(epoch FROM pg_catalog.clock_timestamp())"

typedef enum SessionState
{
	STATE_DOWN,       /* no connection; the next attempt is due at session->due */
	STATE_CONNECTING, /* PQconnectPoll() */
	STATE_SETUP,      /* running the setup, then preparing the statements */
	STATE_IDLE,
	STATE_BUSY /* running a statement */
} SessionState;

struct Session
{
	Loop *loop;
	const SessionPlan *plan;
	Servers servers;
	Microseconds patience;
	SessionState state;
	PGconn *connection;
	int watched;      /* the socket that the loop watches, or -1 */
	Microseconds due; /* the next attempt, or the end of what is waited for */
	Microseconds backoff;
	Microseconds down_since;
	Microseconds setup_sent;
	Microseconds clock_offset;
	int prepared;     /* statements prepared so far; -1: setup runs */
	bool was_up;      /* was connected and set up, at least once */
	bool served;      /* has run a statement, at least once */
	bool unusable;    /* it failed in a way that trying again will not help */
	int64_t failures; /* so far */
	bool notified;
	bool connected;   /* has connected since somebody asked */
	bool failed;      /* the statement that runs has failed */
	bool send_failed; /* it could not even be sent, so no answer will come */
	char sqlstate[6];
	PGresult *result; /* of the statement that runs */
	SessionDone done;
	void *argument;
};

static void start_connecting(Session *session, Microseconds now);
static void poll_connecting(Session *session);
static void begin_setup(Session *session);
static void give_up(Session *session);
static void on_ready(void *argument, int fd, uint32_t events);
static void read_results(Session *session);
static void keep_result(Session *session, PGresult *result);
static void statement_ended(Session *session);
static const char *message_of(const Session *session, const PGresult *result);
static void compare_clocks(Session *session, const PGresult *result);
static void setup_next(Session *session);
static void flush(Session *session);
static void watch(Session *session, uint32_t events);
static void unwatch(Session *session);
static void take_notifications(Session *session);
static const char *hint_of(const PGresult *result);
static void drop(Session *session, const char *reason, const char *error, const char *hint);
static void note_error(Session *session, const PGresult *result);
static Microseconds jitter(Microseconds longest);
static void take_notice(void *argument, const PGresult *result);

/*
 * Makes a session that connects at its first tick. No statement may take longer than patience. The
 * caller frees it with session_free().
 */
Session *
session_create(Loop *loop, const SessionPlan *plan, const char *dbname, Microseconds patience)
{
	Session *session = memory_get_zeroed(sizeof(*session));

	session->loop = loop;
	session->plan = plan;
	session->servers.dbname = dbname;
	session->patience = patience;
	session->watched = -1;
	session->backoff = FIRST_BACKOFF;
	session->down_since = clock_now();
	return session;
}

/* Closes the connection and forgets a statement that runs, without calling its SessionDone. */
void
session_free(Session *session)
{
	unwatch(session);
	PQclear(session->result);
	PQfinish(session->connection);
	servers_free(&session->servers);
	free(session);
}

/* Does what the clock asks for. */
void
session_tick(Session *session, Microseconds now)
{
	if (session->send_failed)
		drop(session, "statement_failed", PQerrorMessage(session->connection), NULL);
	if (now < session_due(session))
		return;
	if (session->state == STATE_DOWN)
		start_connecting(session, now);
	else
		give_up(session);
}

/* When session_tick() is to be called, if nothing happens before. */
Microseconds
session_due(const Session *session)
{
	if (session->send_failed)
		return 0;
	return session->state == STATE_IDLE ? NEVER : session->due;
}

/* Says whether a statement may be run. */
bool
session_idle(const Session *session)
{
	return session->state == STATE_IDLE;
}

/* Says whether the database can store every letter, so that one of them cannot make a call fail. */
bool
session_stores_unicode(const Session *session)
{
	const char *encoding = PQparameterStatus(session->connection, "server_encoding");

	return encoding != NULL && strcmp(encoding, "UTF8") == 0;
}

/* Says whether a statement runs. */
bool
session_busy(const Session *session)
{
	return session->state == STATE_BUSY;
}

/*
 * Runs a statement on an idle session. The values are text or NULL, and copied. done is called
 * later, from the event loop or from session_tick(), never from here.
 */
void
session_run(Session *session, int statement, const char *const *values, SessionDone done,
			void *argument)
{
	const SessionStatement *prepared = &session->plan->statements[statement];

	session->state = STATE_BUSY;
	session->due = clock_now() + session->patience + LAST_WORDS_TIME;
	session->done = done;
	session->argument = argument;
	session->failed = false;
	session->send_failed = PQsendQueryPrepared(session->connection, prepared->name,
											   prepared->parameters, values, NULL, NULL, 0) == 0;
	flush(session);
}

/* Says whether a notification has come since the last call. */
bool
session_take_notified(Session *session)
{
	bool notified = session->notified;

	session->notified = false;
	return notified;
}

/* Says whether it has connected since the last call. */
bool
session_take_connected(Session *session)
{
	bool connected = session->connected;

	session->connected = false;
	return connected;
}

/* Waits no longer before it tries to connect again. */
void
session_hurry(Session *session)
{
	if (session->state == STATE_DOWN)
		session->due = 0;
}

/* Says whether the database cannot be used: the extension or the right to use it is missing. */
bool
session_unusable(const Session *session)
{
	return session->unusable && session->state == STATE_DOWN;
}

/* Since when there is no usable connection; NEVER while there is one. */
Microseconds
session_down_since(const Session *session)
{
	return session->down_since;
}

/* Says whether there ever was a usable connection. */
bool
session_was_up(const Session *session)
{
	return session->was_up;
}

/* Says whether it has failed, and has had no success since. */
bool
session_has_failed(const Session *session)
{
	return session->backoff != FIRST_BACKOFF;
}

/* By how much the time of this machine was ahead of the server's when the session connected. */
Microseconds
session_clock_offset(const Session *session)
{
	return session->clock_offset;
}

const char *
session_name(const Session *session)
{
	return session->plan->name;
}

/* How often it failed: to connect, by losing the connection, or with a statement. */
int64_t
session_failures(const Session *session)
{
	return session->failures;
}

/* Begins to connect; everything else goes on in the event loop. */
static void
start_connecting(Session *session, Microseconds now)
{
	session->state = STATE_CONNECTING;
	session->connection = servers_connect(&session->servers);
	session->due = now + servers_patience(session->connection);
	if (PQstatus(session->connection) == CONNECTION_BAD)
	{
		drop(session, "connection_failed", PQerrorMessage(session->connection), NULL);
		return;
	}
	PQsetNoticeReceiver(session->connection, take_notice, session);
	watch(session, EPOLLOUT);
}

/* Goes on connecting. libpq may change the socket meanwhile (another address, another host). */
static void
poll_connecting(Session *session)
{
	PostgresPollingStatusType status;

	unwatch(session);
	status = PQconnectPoll(session->connection);
	if (status == PGRES_POLLING_READING)
		watch(session, EPOLLIN);
	else if (status == PGRES_POLLING_WRITING)
		watch(session, EPOLLOUT);
	else if (status != PGRES_POLLING_OK || PQsetnonblocking(session->connection, 1) != 0)
		drop(session, "connection_failed", PQerrorMessage(session->connection), NULL);
	else
		begin_setup(session);
}

/* Sets up a new connection. */
static void
begin_setup(Session *session)
{
	Text sql = { 0 };

	text_printf(&sql, "SET statement_timeout = '%lldms'; %s; " CLOCK_SQL,
				(long long) (session->patience / MILLISECOND), session->plan->setup);
	session->state = STATE_SETUP;
	session->setup_sent = clock_now();
	session->prepared = -1;
	session->failed = false;
	session->send_failed = PQsendQuery(session->connection, sql.data) == 0;
	text_free(&sql);
	flush(session);
}

/* The server has not answered in time. It may be there, and wait for its disk for ever. */
static void
give_up(Session *session)
{
	if (session->state == STATE_BUSY)
	{
		drop(session, "statement_failed", "no answer in time", NULL);
		return;
	}
	servers_skip_first(&session->servers, session->connection);
	drop(session, "connection_failed", "timeout", NULL);
}

/* The event loop's call: the socket can be read or written. */
static void
on_ready(void *argument, int fd, uint32_t events)
{
	Session *session = argument;

	(void) fd;
	if (session->state == STATE_CONNECTING)
	{
		poll_connecting(session);
		return;
	}
	if ((events & ~(uint32_t) EPOLLOUT) != 0 && PQconsumeInput(session->connection) == 0)
	{
		drop(session, "connection_lost", PQerrorMessage(session->connection), NULL);
		return;
	}
	if ((events & EPOLLOUT) != 0)
		flush(session);
	if (session->connection != NULL)
		read_results(session);
}

/* Takes what the server has answered so far. */
static void
read_results(Session *session)
{
	take_notifications(session);
	if (session->state != STATE_SETUP && session->state != STATE_BUSY)
		return;
	while (session->connection != NULL && !PQisBusy(session->connection))
	{
		PGresult *result = PQgetResult(session->connection);

		if (result == NULL)
		{
			statement_ended(session);
			return;
		}
		keep_result(session, result);
	}
}

/* Keeps a result until the statement has ended, the first error rather than what follows it. */
static void
keep_result(Session *session, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (session->failed)
	{
		PQclear(result);
		return;
	}
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
	{
		session->failed = true;
		note_error(session, result);
	}
	PQclear(session->result);
	session->result = result;
}

/* What the server says of an error, without the statement. */
static const char *
message_of(const Session *session, const PGresult *result)
{
	const char *message =
		result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	return message != NULL ? message : PQerrorMessage(session->connection);
}

/* What the server suggests to do about an error, or NULL. */
static const char *
hint_of(const PGresult *result)
{
	return PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
}

/* The statement that ran has ended: on with the setup, or tell who wanted it. */
static void
statement_ended(Session *session)
{
	PGresult *result = session->result;
	SessionDone done = session->done;

	session->result = NULL;
	if (session->failed || PQstatus(session->connection) == CONNECTION_BAD)
		drop(session, session->state == STATE_SETUP ? "connection_failed" : "statement_failed",
			 message_of(session, result), hint_of(result));
	else if (session->state == STATE_SETUP)
	{
		if (session->prepared < 0)
			compare_clocks(session, result);
		setup_next(session);
	}
	else
	{
		session->state = STATE_IDLE;
		session->done = NULL;
		session->served = true;
		session->backoff = FIRST_BACKOFF;
		done(session->argument, result, NULL);
		take_notifications(session);
	}
	PQclear(result);
}

/* Takes from the setup's result by how much the server's clock differs from ours. */
static void
compare_clocks(Session *session, const PGresult *result)
{
	double theirs = strtod(PQgetvalue(result, 0, 0), NULL);
	Microseconds half = (clock_now() - session->setup_sent) / 2;
	struct timespec ours;

	clock_gettime(CLOCK_REALTIME, &ours);
	session->clock_offset = (Microseconds) ours.tv_sec * SECOND + ours.tv_nsec / 1000 - half -
							(Microseconds) (theirs * (double) SECOND);
}

/* Prepares the next statement; after the last one the session can be used. */
static void
setup_next(Session *session)
{
	const SessionStatement *statement;

	session->prepared++;
	if (session->prepared < session->plan->count)
	{
		statement = &session->plan->statements[session->prepared];
		session->send_failed = PQsendPrepare(session->connection, statement->name, statement->sql,
											 statement->parameters, NULL) == 0;
		flush(session);
		return;
	}
	session->state = STATE_IDLE;
	session->was_up = true;
	session->connected = true;
	session->down_since = NEVER;
	/* What was notified meanwhile, nobody heard. */
	session->notified = true;
	log_event(LEVEL_INFO, "connected", log_text("session", session->plan->name),
			  log_text("server", PQhost(session->connection)),
			  log_text("port", PQport(session->connection)),
			  log_text("database", PQdb(session->connection)));
}

/* Sends what waits to be sent, and watches for as long as some is left. */
static void
flush(Session *session)
{
	watch(session, PQflush(session->connection) == 1 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
watch(Session *session, uint32_t events)
{
	int fd = PQsocket(session->connection);

	if (fd < 0)
		return;
	session->watched = fd;
	loop_watch(session->loop, fd, events, on_ready, session);
}

static void
unwatch(Session *session)
{
	loop_forget(session->loop, session->watched);
	session->watched = -1;
}

static void
take_notifications(Session *session)
{
	PGnotify *notification;

	while (session->connection != NULL && (notification = PQnotifies(session->connection)) != NULL)
	{
		session->notified = true;
		PQfreemem(notification);
	}
}

/*
 * Closes the connection, logs why, and plans the next attempt. If a statement ran, who wanted it
 * learns that it failed. The texts may belong to the connection; hint may be NULL.
 */
static void
drop(Session *session, const char *reason, const char *error, const char *hint)
{
	SessionDone done = session->done;
	Microseconds now = clock_now();
	Microseconds wait = session->backoff / 2 + jitter(session->backoff / 2);

	log_event(LEVEL_WARNING, reason, log_text("session", session->plan->name),
			  log_text("error", error), log_text_if("hint", hint),
			  log_number("retry_ms", wait / MILLISECOND));
	session->failures++;
	unwatch(session);
	PQfinish(session->connection);
	PQclear(session->result);
	session->connection = NULL;
	session->result = NULL;
	session->done = NULL;
	session->send_failed = false;
	session->state = STATE_DOWN;
	if (session->down_since == NEVER)
		session->down_since = now;
	session->due = now + wait;
	session->backoff = earlier(session->backoff * 2, LONGEST_BACKOFF);
	if (done != NULL)
		done(session->argument, NULL, session->sqlstate);
	session->sqlstate[0] = '\0';
}

/*
 * Notes an error's SQLSTATE. If the very first use fails since something does not exist or is not
 * permitted (class 42), since the schema is missing (3F000) or the database wants to be adopted
 * (55000), then trying again will not help.
 */
static void
note_error(Session *session, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	snprintf(session->sqlstate, sizeof(session->sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
	if (!session->served &&
		(strncmp(session->sqlstate, "42", 2) == 0 || strcmp(session->sqlstate, "3F000") == 0 ||
		 strcmp(session->sqlstate, "55000") == 0))
		session->unusable = true;
}

/* A random time from 0 to the longest: listeners must not come back all at once. */
static Microseconds
jitter(Microseconds longest)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t) clock_now();
	return longest * (random & 0xffff) / 0xffff;
}

/* Notices are the server's talk with people, save its last words to an idle session. */
static void
take_notice(void *argument, const PGresult *result)
{
	const Session *session = argument;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
		log_event(LEVEL_WARNING, "session_ended", log_text("session", session->plan->name),
				  log_text("error", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)),
				  log_text_if("hint", hint_of(result)));
}
