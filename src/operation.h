/*
 * operation.h
 *	  What every change of a dispatch goes through.
 */
#ifndef DISPATCH_OPERATION_H
#define DISPATCH_OPERATION_H

#include "postgres.h"

#include "builder.h"
#include "member.h"
#include "type_cache.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* What every change may carry. */
typedef struct DispatchCarried
{
	const Jsonb *callback;   /* as given; NULL: none */
	const Jsonb *event_meta; /* NULL: none */
	char *request_id;        /* NULL: none */
	const char *function;    /* that was called, where there is a request_id */
	bool has_expected_version;
	int64 expected_version;
} DispatchCarried;

/* A dispatch that is to be created. */
typedef struct DispatchCreation
{
	const DispatchType *type;
	char *ref; /* NULL: none */
	DispatchMembers jobs;
	DispatchMembers participants;
	Jsonb *custom_data;
	Jsonb *extra; /* NULL: none */
	DispatchCarried carried;
} DispatchCreation;

/* A change of a dispatch: its arguments, of which each operation has its own. */
typedef struct DispatchChange
{
	pg_uuid_t dispatch_id;
	DispatchMembers members;
	char *status;
	char *sub_status;
	Jsonb *patch;
	DispatchCarried carried;

	/* for the operation, while it runs */
	bool wait; /* for the answer to its callback */
	TimestampTz at;
	int64 version;   /* that it made */
	const text *ref; /* of the dispatch; NULL: it has none */
	DispatchBuilder data;
} DispatchChange;

/* An operation that changes a dispatch. */
typedef struct DispatchOperation
{
	const char *event;                           /* what it records */
	void (*check)(const DispatchChange *change); /* its arguments, before all else */
	bool (*apply)(DispatchChange *change);       /* false: no such dispatch is open */
	bool may_wait;                               /* its callback may ask whether it can be done */
} DispatchOperation;

extern const DispatchOperation dispatch_add_jobs_operation;
extern const DispatchOperation dispatch_add_participants_operation;
extern const DispatchOperation dispatch_remove_jobs_operation;
extern const DispatchOperation dispatch_remove_participants_operation;
extern const DispatchOperation dispatch_update_status_operation;
extern const DispatchOperation dispatch_update_sub_status_operation;
extern const DispatchOperation dispatch_update_custom_data_operation;

extern pg_uuid_t dispatch_create(DispatchCreation *creation);
extern int64 dispatch_change(const DispatchOperation *operation, DispatchChange *change);
extern void dispatch_check_ref(const char *ref);
extern void dispatch_check_sub_status(const char *sub_status);
extern void dispatch_check_extra(const Jsonb *extra);
extern bool dispatch_is_reserved_name(const char *name);

#endif
