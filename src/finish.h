/*
 * finish.h
 *	  What came of the attempts to send callbacks.
 */
#ifndef DISPATCH_FINISH_H
#define DISPATCH_FINISH_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* How deliveries are retried: dispatch.retry_base and retry_cap in ms, dispatch.max_attempts. */
extern int dispatch_retry_base;
extern int dispatch_retry_cap;
extern int dispatch_max_attempts;

/* dispatch.attempts_retention, in minutes; -1: for ever. */
extern int dispatch_attempts_retention;

extern TimestampTz dispatch_lifetime_ago(TimestampTz now);

#endif
