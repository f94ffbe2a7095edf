/*
 * callback.h
 *	  The callback that an operation may carry.
 */
#ifndef DISPATCH_CALLBACK_H
#define DISPATCH_CALLBACK_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/jsonb.h"

/* A callback argument, checked. */
typedef struct DispatchCallback
{
	const char *method;
	char *host; /* in lower case, without its port */
	char *url;
	Jsonb *headers;    /* array of {key, value} */
	bool wait;         /* the answer says whether the members may be added */
	ArrayType *accept; /* integers: the status codes that say so; empty: 2xx */
} DispatchCallback;

extern DispatchCallback *dispatch_callback_parse(const Jsonb *argument);
extern void dispatch_host_normalize(char *host);

#endif
