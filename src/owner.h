/*
 * owner.h
 *	  Who called, and running something with the rights of the tables' owner.
 */
#ifndef DISPATCH_OWNER_H
#define DISPATCH_OWNER_H

#include "postgres.h"

/* Who it was before. */
typedef struct DispatchUser
{
	Oid id;
	int security;
	int settings; /* nest level of the settings */
} DispatchUser;

extern char *dispatch_caller(void);
extern Oid dispatch_types_relid(void);
extern DispatchUser dispatch_become_owner(void);
extern void dispatch_become_caller(const DispatchUser *user);

#endif
