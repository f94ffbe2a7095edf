/*
 * body.h
 *	  What the params and the body of a request say.
 */
#ifndef DISPATCH_BODY_H
#define DISPATCH_BODY_H

#include "postgres.h"

#include "builder.h"
#include "member.h"
#include "utils/jsonb.h"

/* Everything that params and bodies can say. NULL: not given; of members, their ids. */
typedef struct DispatchRequest
{
	char *name;
	Jsonb *lifecycle;
	bool additional_attributes;
	Jsonb *attributes;
	char *type_id;
	char *type_name;
	char *dispatch_id;
	char *dispatch_ref;
	DispatchMembers jobs;
	DispatchMembers participants;
	char *job_id;
	char *participant_id;
	char *status;
	char *sub_status;
	Jsonb *custom_data;
	Jsonb *patch;
	Jsonb *callback;
	Jsonb *event_meta;
	char *request_id;
	Jsonb *expected_version;
	Jsonb *filter;
	char *after;
	Jsonb *max_rows;
	bool open_only;
	DispatchBuilder extra;
	bool has_extra;
} DispatchRequest;

extern bool dispatch_names_have(const char *names, const char *name);
extern void dispatch_body_read(const char *where, const Jsonb *document, const char *names,
							   bool keeps_unknown, DispatchRequest *request);

#endif
