/*
 * error.h
 *	  The errors that more than one room raises, and how values are shown in them.
 */
#ifndef DISPATCH_ERROR_H
#define DISPATCH_ERROR_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/palloc.h"
#include "utils/uuid.h"

#include "compat.h"

extern const char *dispatch_cut(const char *text);
extern const char *dispatch_cut_at(const char *text, int characters);
extern char *dispatch_uuid_text(const pg_uuid_t *id);

pg_noreturn extern void dispatch_error_null(const char *argument);
pg_noreturn extern void dispatch_error_malformed_detail(const char *what, const char *detail);
pg_noreturn extern void dispatch_error_no_type(const char *name);
pg_noreturn extern void dispatch_error_no_dispatch(const pg_uuid_t *id);
pg_noreturn extern void dispatch_error_final(const pg_uuid_t *id, const char *status);
extern bool dispatch_caught_duplicate(const char *constraint, MemoryContext context,
									  const char **detail);
extern void dispatch_check_object(const char *what, const Jsonb *document);
extern void dispatch_check_length(const char *argument, const char *text, int min, int max);

/* The same with a detail made by a format. */
#define dispatch_error_malformed(what, ...)                                                        \
	dispatch_error_malformed_detail(what, psprintf(__VA_ARGS__))

#endif
