/*
 * sink.c
 *		An HTTP server that takes whatever is posted to it, as fast as can be, and counts.
 *
 *		usage: sink PORT-FILE
 *
 * It listens on a free port of 127.0.0.1, which it writes into the file. Every POST is answered
 * with an empty 200 and the connection kept; its header webhook-id is remembered. A GET answers
 * with a line of four numbers: how many were posted, how many different ids they had, when the
 * first and when the last came (microseconds of the monotonic clock); then it counts from 0
 * again.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 4096
#define ROOM (64 * 1024) /* of the longest request */
#define SLOTS (1 << 21)  /* of the set of ids: a power of two, well above what a bench posts */

typedef struct Connection
{
	char *data;
	size_t length;
} Connection;

static Connection connections[MOST_CONNECTIONS];
static uint64_t ids[SLOTS]; /* their hashes: two that share one would count as one, as if lost */
static long posted, distinct;
static int64_t first, last;

/* The monotonic clock in microseconds. */
static int64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Remembers an id. */
static void
note(const char *id, size_t length)
{
	uint64_t hash = 14695981039346656037u;
	size_t slot;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char) id[i]) * 1099511628211u;
	for (slot = hash % SLOTS; ids[slot] != 0; slot = (slot + 1) % SLOTS)
		if (ids[slot] == hash)
			return;
	ids[slot] = hash;
	if (++distinct > SLOTS / 2)
		errx(1, "too many ids");
}

/* A header's value in the head of a request, and its length; NULL where there is none. */
static const char *
header(const char *head, const char *name, size_t *length)
{
	size_t name_length = strlen(name);

	for (const char *line = strchr(head, '\n'); line != NULL; line = strchr(line, '\n'))
	{
		if (strncasecmp(++line, name, name_length) != 0)
			continue;
		line += name_length;
		line += strspn(line, " ");
		*length = strcspn(line, "\r");
		return line;
	}
	return NULL;
}

/* Sends an answer; what is so short always fits. */
static void
answer(int fd, const char *text)
{
	char data[256];
	int length = snprintf(data, sizeof(data), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
						  strlen(text), text);

	if (write(fd, data, (size_t) length) != length && errno != EPIPE && errno != ECONNRESET)
		err(1, "write");
}

/* Answers a GET, and counts from 0 again. */
static void
report(int fd)
{
	char line[128];

	snprintf(line, sizeof(line), "%ld %ld %lld %lld\n", posted, distinct, (long long) first,
			 (long long) last);
	answer(fd, line);
	posted = distinct = 0;
	memset(ids, 0, sizeof(ids));
}

/* Takes one whole request from the front of what has come; how long it is, or 0. */
static size_t
take_request(int fd, char *data, size_t length)
{
	char *end = memmem(data, length, "\r\n\r\n", 4);
	const char *value;
	size_t size, value_length;

	if (end == NULL)
		return 0;
	*end = '\0';
	size = (size_t) (end - data) + 4;
	value = header(data, "content-length:", &value_length);
	if (value != NULL)
		size += strtoul(value, NULL, 10);
	if (size > length)
	{
		*end = '\r';
		return 0;
	}
	if (strncmp(data, "GET ", 4) == 0)
	{
		report(fd);
		return size;
	}
	last = now();
	if (posted++ == 0)
		first = last;
	value = header(data, "webhook-id:", &value_length);
	if (value != NULL)
		note(value, value_length);
	answer(fd, "");
	return size;
}

/* Reads what has come, and takes the requests that are whole. */
static void
serve(int fd)
{
	Connection *connection = &connections[fd];
	ssize_t got = read(fd, connection->data + connection->length, ROOM - connection->length);
	size_t taken = 0, size;

	if (got <= 0)
	{
		connection->length = 0;
		close(fd);
		return;
	}
	connection->length += (size_t) got;
	while ((size = take_request(fd, connection->data + taken, connection->length - taken)) > 0)
		taken += size;
	connection->length -= taken;
	memmove(connection->data, connection->data + taken, connection->length);
	if (connection->length == ROOM)
		errx(1, "a request is too long");
}

/* Takes a new connection. */
static void
welcome(int epoll, int listener)
{
	int fd = accept(listener, NULL, NULL);
	int yes = 1;
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || fd >= MOST_CONNECTIONS)
		err(1, "accept");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connections[fd].data == NULL)
		connections[fd].data = malloc(ROOM);
	connections[fd].length = 0;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		err(1, "epoll_ctl");
}

/* Listens on a free port, and writes it into the file. */
static int
open_listener(const char *port_file)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	FILE *file;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, length) != 0 || listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) != 0)
		err(1, "listen");
	file = fopen(port_file, "w");
	if (file == NULL || fprintf(file, "%d\n", ntohs(address.sin_port)) < 0 || fclose(file) != 0)
		err(1, "%s", port_file);
	return fd;
}

int
main(int argc, char **argv)
{
	int epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	int listener;

	if (argc != 2)
		errx(2, "usage: sink PORT-FILE");
	listener = open_listener(argv[1]);
	event.data.fd = listener;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		err(1, "epoll");
	for (;;)
	{
		struct epoll_event events[64];
		int count = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < count; i++)
		{
			if (events[i].data.fd == listener)
				welcome(epoll, listener);
			else
				serve(events[i].data.fd);
		}
	}
}
