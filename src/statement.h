/*
 * statement.h
 *	  The SQL statements that operations run, as saved plans.
 */
#ifndef DISPATCH_STATEMENT_H
#define DISPATCH_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapshot.h"

typedef enum DispatchStatement
{
	DISPATCH_LOAD_TYPE_BY_ID,
	DISPATCH_LOAD_TYPE_BY_NAME,
	DISPATCH_LIST_TYPES,
	DISPATCH_INSERT_TYPE,
	DISPATCH_LOCK_TYPE,
	DISPATCH_UPDATE_ATTRIBUTES,
	DISPATCH_INSERT_TYPE_EVENT,
	DISPATCH_READ_TYPE_EVENTS,
	DISPATCH_INSERT_DISPATCH,
	DISPATCH_TOUCH,
	DISPATCH_UPDATE_STATUS,
	DISPATCH_UPDATE_SUB_STATUS,
	DISPATCH_UPDATE_CUSTOM_DATA,
	DISPATCH_LOCK,
	DISPATCH_FIND_STATUS,
	DISPATCH_FIND_BY_REF,
	DISPATCH_READ_DISPATCH,
	DISPATCH_READ_MEMBERS,
	DISPATCH_READ_EVENTS,
	DISPATCH_INSERT_MEMBERS,
	DISPATCH_DELETE_MEMBERS,
	DISPATCH_INSERT_EVENT,
	DISPATCH_INSERT_EVENT_WITH_CALLBACK,
	DISPATCH_FIND_REQUEST,
	DISPATCH_INSERT_REQUEST,
	DISPATCH_FIND_FOREIGN,
	DISPATCH_ADOPT,
	DISPATCH_CLAIM,
	DISPATCH_FINISH,
	DISPATCH_RENEW,
	DISPATCH_PURGE,
	DISPATCH_DELETE_MEMBERS_OF,
	DISPATCH_DELETE_EVENTS_OF,
	DISPATCH_DELETE_ATTEMPTS_OF,
	DISPATCH_DELETE_REQUESTS_OF,
	DISPATCH_FIND_OBJECTS,
	DISPATCH_CHECK_RIGHTS,
	DISPATCH_STATEMENTS
} DispatchStatement;

extern void dispatch_connect(void);
extern uint64 dispatch_execute(DispatchStatement statement, Datum *values, const char *nulls);
extern uint64 dispatch_query(DispatchStatement statement, Datum *values, const char *nulls);
extern uint64 dispatch_query_snapshot(DispatchStatement statement, Datum *values,
									  Snapshot snapshot);
extern Datum dispatch_result(uint64 row, int column, bool *isnull);

#endif
