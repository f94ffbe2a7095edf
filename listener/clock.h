/*
 * clock.h
 *		Time as the listener counts it: microseconds of the monotonic clock.
 */
#ifndef LISTENER_CLOCK_H
#define LISTENER_CLOCK_H

#include <stdint.h>
#include <time.h>

typedef int64_t Microseconds;

#define MILLISECOND ((Microseconds) 1000)
#define SECOND (1000 * MILLISECOND)

/* A point in time that never comes. */
#define NEVER INT64_MAX

/* The present, by a clock that nobody sets. */
static inline Microseconds
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (Microseconds) now.tv_sec * SECOND + now.tv_nsec / 1000;
}

static inline Microseconds
earlier(Microseconds a, Microseconds b)
{
	return a < b ? a : b;
}

#endif
