/*
 * loop.c
 *		The one event loop, on epoll.
 *
 * curl_multi_poll() would be shorter, but every turn of it looks at all connections, with a system
 * call for each; epoll and curl_multi_socket_action() touch only those where something happened.
 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"

#define EVENTS_AT_ONCE 128

/* What is watched on one file descriptor; events is 0 where nothing is. */
typedef struct Watch
{
	uint32_t events;
	uint64_t since_turn;
	LoopHandler handler;
	void *argument;
} Watch;

struct Loop
{
	int epoll;
	uint64_t turn;
	Watch *watches; /* by file descriptor */
	int count;
};

static void make_room(Loop *loop, int fd);

/* Makes a loop; loop_free() frees it. */
Loop *
loop_create(void)
{
	Loop *loop = memory_get_zeroed(sizeof(*loop));

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
	{
		log_event(LEVEL_ERROR, "epoll_failed", log_text("error", strerror(errno)));
		exit(1);
	}
	return loop;
}

void
loop_free(Loop *loop)
{
	close(loop->epoll);
	free(loop->watches);
	free(loop);
}

/* Watches a descriptor for these events from now on; free of cost when it does so already. */
void
loop_watch(Loop *loop, int fd, uint32_t events, LoopHandler handler, void *argument)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	Watch *watch;
	int operation;

	make_room(loop, fd);
	watch = &loop->watches[fd];
	watch->handler = handler;
	watch->argument = argument;
	if (watch->events == events)
		return;

	operation = watch->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (operation == EPOLL_CTL_ADD)
		watch->since_turn = loop->turn;
	if (epoll_ctl(loop->epoll, operation, fd, &event) != 0)
	{
		log_event(LEVEL_ERROR, "epoll_failed", log_text("error", strerror(errno)));
		exit(1);
	}
	watch->events = events;
}

/* Ends the watch of a descriptor, if there is one. To be called before the descriptor is closed. */
void
loop_forget(Loop *loop, int fd)
{
	if (fd < 0 || fd >= loop->count || loop->watches[fd].events == 0)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	loop->watches[fd].events = 0;
}

/* Waits until something is ready, at most until then, and calls the handlers of what is. */
void
loop_run_once(Loop *loop, Microseconds until)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	Microseconds now = clock_now();
	int timeout = -1;
	int count;

	/* Rounded up: to wake up just too early means to spin. */
	if (until <= now)
		timeout = 0;
	else if (until != NEVER)
		timeout = (int) earlier((until - now + MILLISECOND - 1) / MILLISECOND, INT32_MAX);

	loop->turn++;
	count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, timeout);
	for (int i = 0; i < count; i++)
	{
		int fd = events[i].data.fd;
		Watch *watch = &loop->watches[fd];

		/* An earlier handler of this turn may have closed it, and opened another by its number. */
		if (watch->events != 0 && watch->since_turn < loop->turn)
			watch->handler(watch->argument, fd, events[i].events);
	}
}

static void
make_room(Loop *loop, int fd)
{
	int count = loop->count == 0 ? 64 : loop->count;

	if (fd < loop->count)
		return;
	while (count <= fd)
		count *= 2;
	loop->watches = memory_resize(loop->watches, (size_t) count * sizeof(Watch));
	memset(loop->watches + loop->count, 0, (size_t) (count - loop->count) * sizeof(Watch));
	loop->count = count;
}
