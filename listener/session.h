/*
 * session.h
 *		One database session: connects, connects again when the connection is lost, and runs one
 *		statement at a time, never waiting.
 */
#ifndef LISTENER_SESSION_H
#define LISTENER_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "clock.h"
#include "loop.h"

/* A prepared statement. */
typedef struct SessionStatement
{
	const char *name;
	const char *sql;
	int parameters;
} SessionStatement;

/* What a session is for. Lives as long as the session. */
typedef struct SessionPlan
{
	const char *name;  /* for the log */
	const char *setup; /* SQL that is run on every new connection */
	const SessionStatement *statements;
	int count;
} SessionPlan;

typedef struct Session Session;

/*
 * Called when a statement has ended. result is NULL when it failed: the failure is logged already,
 * and sqlstate tells what it was ("" where the connection was lost). The session frees the result.
 */
typedef void (*SessionDone)(void *argument, PGresult *result, const char *sqlstate);

extern Session *session_create(Loop *loop, const SessionPlan *plan, const char *dbname,
							   Microseconds patience);
extern void session_free(Session *session);
extern void session_tick(Session *session, Microseconds now);
extern Microseconds session_due(const Session *session);
extern bool session_idle(const Session *session);
extern bool session_busy(const Session *session);
extern bool session_stores_unicode(const Session *session);
extern void session_run(Session *session, int statement, const char *const *values,
						SessionDone done, void *argument);
extern bool session_take_notified(Session *session);
extern bool session_take_connected(Session *session);
extern void session_hurry(Session *session);
extern bool session_unusable(const Session *session);
extern Microseconds session_down_since(const Session *session);
extern bool session_was_up(const Session *session);
extern bool session_has_failed(const Session *session);
extern Microseconds session_clock_offset(const Session *session);
extern const char *session_name(const Session *session);
extern int64_t session_failures(const Session *session);

#endif
