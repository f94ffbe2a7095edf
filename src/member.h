/*
 * member.h
 *	  Jobs and participants: the members of a dispatch.
 */
#ifndef DISPATCH_MEMBER_H
#define DISPATCH_MEMBER_H

#include "postgres.h"

#include "builder.h"
#include "datatype/timestamp.h"
#include "document.h"
#include "utils/array.h"
#include "utils/uuid.h"

typedef enum DispatchMemberKind
{
	DISPATCH_JOB = 'j', /* as in dispatch.members.kind */
	DISPATCH_PARTICIPANT = 'p'
} DispatchMemberKind;

/* Whether a member waits for the answer to a callback. */
typedef enum DispatchMemberState
{
	DISPATCH_CONFIRMED = 'c', /* as in dispatch.members.state */
	DISPATCH_PENDING = 'p'
} DispatchMemberState;

/* Members that an operation names, checked. */
typedef struct DispatchMembers
{
	DispatchMemberKind kind;
	int count;
	char **ids;
} DispatchMembers;

extern void dispatch_member_one(DispatchMembers *members, DispatchMemberKind kind, char *id);
extern void dispatch_members_from_array(DispatchMembers *members, DispatchMemberKind kind,
										ArrayType *array);
extern void dispatch_member_check_id(const char *argument, const char *id);
extern void dispatch_members_check(const DispatchMembers *members, bool may_be_empty);
extern void dispatch_members_add(const pg_uuid_t *dispatch_id, int64 sequence, TimestampTz at,
								 DispatchMemberState state, const DispatchMembers *jobs,
								 const DispatchMembers *participants);
extern void dispatch_members_remove(const pg_uuid_t *dispatch_id, const DispatchMembers *members);
extern void dispatch_members_build(DispatchBuilder *builder, const DispatchMembers *members);

#endif
