/*
 * builder.h
 *	  Writes jsonb documents, member by member.
 */
#ifndef DISPATCH_BUILDER_H
#define DISPATCH_BUILDER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "document.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* An object that is being written. Later members replace earlier ones of the same name. */
typedef struct DispatchBuilder
{
	JsonbParseState *state;
} DispatchBuilder;

extern void dispatch_push_member(JsonbParseState **state, const DispatchKey *name,
								 const DispatchValue *value);
extern void dispatch_build_begin(DispatchBuilder *builder);
extern void dispatch_build_text(DispatchBuilder *builder, const char *name, const char *text);
extern void dispatch_build_id(DispatchBuilder *builder, const char *name, const pg_uuid_t *id);
extern void dispatch_build_integer(DispatchBuilder *builder, const char *name, int64 integer);
extern void dispatch_build_boolean(DispatchBuilder *builder, const char *name, bool boolean);
extern void dispatch_build_time(DispatchBuilder *builder, const char *name, TimestampTz time);
extern void dispatch_build_null(DispatchBuilder *builder, const char *name);
extern void dispatch_build_document(DispatchBuilder *builder, const char *name,
									const Jsonb *document);
extern void dispatch_build_members(DispatchBuilder *builder, const Jsonb *document);
extern void dispatch_build_begin_object(DispatchBuilder *builder, const char *name);
extern void dispatch_build_end_object(DispatchBuilder *builder);
extern void dispatch_build_begin_array(DispatchBuilder *builder, const char *name);
extern void dispatch_build_element(DispatchBuilder *builder, const char *text);
extern void dispatch_build_element_document(DispatchBuilder *builder, const Jsonb *document);
extern void dispatch_build_element_object(DispatchBuilder *builder);
extern void dispatch_build_end_array(DispatchBuilder *builder);
extern Jsonb *dispatch_build_end(DispatchBuilder *builder);
extern char *dispatch_time_text(TimestampTz time);

#endif
