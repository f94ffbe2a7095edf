/*
 * latency.c
 *		Commits dispatches one by one, receives their callbacks, and prints how long each took.
 *
 *		usage: latency CONNINFO COUNT
 *
 * One line for each commit: milliseconds from the moment COMMIT was sent until the whole request
 * was there. It is the receiver itself, so that one clock sees both. Between two commits it
 * waits 50 ms, so that the listener sleeps.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <err.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_WAIT 10000 /* ms */

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/* The monotonic clock in microseconds. */
static int64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Listens on a free port of 127.0.0.1; sets *port. */
static int
open_receiver(int *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, length) != 0 || listen(fd, 16) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) != 0)
		err(1, "listen");
	*port = ntohs(address.sin_port);
	return fd;
}

/* Reads a request to its end and answers it; false where the connection is closed. */
static int
take_request(int fd)
{
	char data[64 * 1024];
	size_t length = 0;

	for (;;)
	{
		ssize_t got = read(fd, data + length, sizeof(data) - 1 - length);
		char *end, *size;

		if (got <= 0)
			return 0;
		length += (size_t) got;
		data[length] = '\0';
		end = strstr(data, "\r\n\r\n");
		size = strcasestr(data, "\ncontent-length:");
		if (end != NULL && size != NULL &&
			length >= (size_t) (end - data) + 4 + strtoul(size + 16, NULL, 10))
			break;
	}
	if (write(fd, answer, sizeof(answer) - 1) != sizeof(answer) - 1)
		err(1, "write");
	return 1;
}

/* Waits for a request and takes it, on a new connection or on the one there is. */
static void
await_request(int receiver, int *connection)
{
	for (;;)
	{
		struct pollfd fds[] = { { receiver, POLLIN, 0 }, { *connection, POLLIN, 0 } };

		if (poll(fds, 2, LONGEST_WAIT) <= 0)
			errx(1, "a callback did not come");
		if (fds[1].revents != 0)
		{
			if (take_request(*connection))
				return;
			close(*connection);
			*connection = -1;
		}
		else if ((*connection = accept(receiver, NULL, NULL)) < 0)
			err(1, "accept");
	}
}

/* Runs a statement to its end. */
static void
run(PGconn *session, const char *statement)
{
	PGresult *result = PQexec(session, statement);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		errx(1, "%s", PQerrorMessage(session));
	PQclear(result);
}

/* Takes all that the server answers to what was sent. */
static void
finish(PGconn *session)
{
	PGresult *result;

	while ((result = PQgetResult(session)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			errx(1, "%s", PQerrorMessage(session));
		PQclear(result);
	}
}

int
main(int argc, char **argv)
{
	char create[256];
	int port, receiver, connection = -1;
	PGconn *session;

	if (argc != 3)
		errx(2, "usage: latency CONNINFO COUNT");
	receiver = open_receiver(&port);
	snprintf(create, sizeof(create),
			 "SELECT dispatch.create_dispatch('lastmile', custom_data => '{\"zone\": \"north\", "
			 "\"weightKg\": 12.5, \"plate\": \"AB-1234\", \"express\": true}', "
			 "callback => '{\"url\": \"http://127.0.0.1:%d/\"}')",
			 port);
	session = PQconnectdb(argv[1]);
	if (PQstatus(session) != CONNECTION_OK)
		errx(1, "%s", PQerrorMessage(session));
	for (int i = 0; i < atoi(argv[2]); i++)
	{
		int64_t begun;

		run(session, "BEGIN");
		run(session, create);
		begun = now();
		if (!PQsendQuery(session, "COMMIT"))
			errx(1, "%s", PQerrorMessage(session));
		await_request(receiver, &connection);
		printf("%.3f\n", (double) (now() - begun) / 1000);
		finish(session);
		usleep(50000);
	}
	PQfinish(session);
	return 0;
}
