/*
 * statement.h
 *	  Statements run as saved plans.
 */
#ifndef DISPATCH_STATEMENT_H
#define DISPATCH_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"

#include "sql.h"

extern void dispatch_connect(void);
extern uint64 dispatch_execute(DispatchStatement statement, Datum *values, const char *nulls);
extern uint64 dispatch_query(DispatchStatement statement, Datum *values, const char *nulls);
extern uint64 dispatch_query_text(const char *text, int nargs, const Oid *types, Datum *values,
								  const char *nulls);
extern Datum dispatch_result(uint64 row, int column, bool *isnull);

#endif
