/*
 * service.c
 *		What the service manager is told, if one has started us.
 *
 * The protocol of sd_notify(3) is a datagram to a socket whose name is in the environment: no
 * library is needed for that. Nothing here can fail for us: a manager that does not listen is its
 * own trouble.
 */
#include "service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "memory.h"
#include "text.h"

/* How often to tell what we do. */
#define STATUS_TIME (5 * SECOND)

struct Service
{
	int fd;
	struct sockaddr_un address;
	socklen_t address_length;
	bool watched; /* the manager wants to hear of us */
	Microseconds interval;
	Microseconds due;
	Text last; /* the status that it knows */
};

static bool read_address(Service *service);
static void read_watchdog(Service *service);

/* NULL where no manager wants to be told; service_free() frees it. */
Service *
service_create(void)
{
	Service *service = memory_get_zeroed(sizeof(*service));

	service->interval = STATUS_TIME;
	read_watchdog(service);
	service->fd = read_address(service) ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	if (service->fd < 0)
	{
		free(service);
		return NULL;
	}
	return service;
}

/* NULL is fine, here and below. */
void
service_free(Service *service)
{
	if (service == NULL)
		return;
	close(service->fd);
	text_free(&service->last);
	free(service);
}

/* Sends lines NAME=VALUE, such as "READY=1". */
void
service_tell(Service *service, const char *message)
{
	if (service == NULL)
		return;
	sendto(service->fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
		   (const struct sockaddr *) &service->address, service->address_length);
}

/* When service_tick() is to be called. */
Microseconds
service_due(const Service *service)
{
	return service != NULL ? service->due : NEVER;
}

/* Tells that we are alive, and how we are if that is new. */
void
service_tick(Service *service, Microseconds now, const char *status)
{
	Text message = { 0 };

	service->due = now + service->interval;
	if (service->watched)
		text_append_string(&message, "WATCHDOG=1\n");
	if (service->last.data == NULL || strcmp(service->last.data, status) != 0)
		text_printf(&message, "STATUS=%s\n", status);
	if (message.length > 0)
		service_tell(service, message.data);
	text_clear(&service->last);
	text_append_string(&service->last, status);
	text_free(&message);
}

/* Reads the name of the socket: a path, or an abstract name that begins with "@". */
static bool
read_address(Service *service)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length = name != NULL ? strlen(name) : 0;

	if (length < 2 || length >= sizeof(service->address.sun_path) ||
		(name[0] != '/' && name[0] != '@'))
		return false;
	service->address.sun_family = AF_UNIX;
	memcpy(service->address.sun_path, name, length);
	if (name[0] == '@')
		service->address.sun_path[0] = '\0';
	service->address_length =
		(socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/' ? 1 : 0));
	return true;
}

/* Reads how often the manager wants to hear of us; twice within that time and once more is safe. */
static void
read_watchdog(Service *service)
{
	const char *time = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long microseconds = time != NULL ? atoll(time) : 0;

	if (microseconds <= 0 || (pid != NULL && atol(pid) != (long) getpid()))
		return;
	service->watched = true;
	service->interval = earlier(service->interval, microseconds / 3);
}
