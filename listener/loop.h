/*
 * loop.h
 *		The one event loop: who wants to know that a file descriptor is ready.
 */
#ifndef LISTENER_LOOP_H
#define LISTENER_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#include "clock.h"

typedef struct Loop Loop;

/* Called with what is ready (EPOLLIN, EPOLLOUT, EPOLLERR ...). */
typedef void (*LoopHandler)(void *argument, int fd, uint32_t events);

extern Loop *loop_create(void);
extern void loop_free(Loop *loop);
extern void loop_watch(Loop *loop, int fd, uint32_t events, LoopHandler handler, void *argument);
extern void loop_forget(Loop *loop, int fd);
extern void loop_run_once(Loop *loop, Microseconds until);

#endif
