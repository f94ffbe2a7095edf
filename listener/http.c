/*
 * http.c
 *		A small HTTP server in the event loop, for monitoring.
 *
 * It shares the loop with what matters more, so nobody may keep it: there are few connections, each
 * has little memory and little time, carries one request, and never makes the loop wait. When all
 * are taken, the oldest one makes room.
 */
#include "http.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"

#define MOST_CONNECTIONS 16
#define CONNECTION_TIME (5 * SECOND)

/* Where no connection can be taken (no file descriptor is left), how long not to try. */
#define PAUSE (1 * SECOND)

#define LONGEST_REQUEST 4096

typedef struct HttpConnection
{
	HttpServer *server;
	int fd; /* -1: free */
	Microseconds deadline;
	char request[LONGEST_REQUEST];
	size_t length;
	Text answer;
	size_t sent;
} HttpConnection;

struct HttpServer
{
	Loop *loop;
	HttpPage page;
	void *argument;
	int fd;
	Microseconds resume; /* when to take connections again; NEVER: it does */
	HttpConnection connections[MOST_CONNECTIONS];
	Text text;
};

static struct addrinfo *read_address(const char *text);
static int listen_on(const struct addrinfo *info);
static void log_port(int fd);
static void on_accept(void *argument, int fd, uint32_t events);
static HttpConnection *free_connection(HttpServer *server);
static void on_ready(void *argument, int fd, uint32_t events);
static void read_request(HttpConnection *connection);
static void answer(HttpConnection *connection);
static void write_answer(HttpConnection *connection, int status, bool with_body);
static const char *reason_of(int status);
static void send_answer(HttpConnection *connection);
static void end(HttpConnection *connection);

/*
 * Listens on ADDRESS:PORT. Returns NULL when that cannot be done, and has logged why. The caller
 * frees the result with http_free().
 */
HttpServer *
http_create(Loop *loop, const char *address, HttpPage page, void *argument)
{
	struct addrinfo *info = read_address(address);
	int fd = info != NULL ? listen_on(info) : -1;
	HttpServer *server;

	if (info != NULL)
		freeaddrinfo(info);
	if (fd < 0)
		return NULL;
	server = memory_get_zeroed(sizeof(*server));
	server->loop = loop;
	server->page = page;
	server->argument = argument;
	server->fd = fd;
	server->resume = NEVER;
	for (int i = 0; i < MOST_CONNECTIONS; i++)
		server->connections[i] = (HttpConnection){ .server = server, .fd = -1, .deadline = NEVER };
	loop_watch(loop, fd, EPOLLIN, on_accept, server);
	log_port(fd);
	return server;
}

/* Closes everything. NULL is fine. */
void
http_free(HttpServer *server)
{
	if (server == NULL)
		return;
	for (int i = 0; i < MOST_CONNECTIONS; i++)
	{
		if (server->connections[i].fd >= 0)
			end(&server->connections[i]);
		text_free(&server->connections[i].answer);
	}
	loop_forget(server->loop, server->fd);
	close(server->fd);
	text_free(&server->text);
	free(server);
}

/* Ends connections whose time is over; returns when to be called again. NULL is fine. */
Microseconds
http_tick(HttpServer *server, Microseconds now)
{
	Microseconds next;

	if (server == NULL)
		return NEVER;
	if (server->resume <= now)
	{
		server->resume = NEVER;
		loop_watch(server->loop, server->fd, EPOLLIN, on_accept, server);
	}
	next = server->resume;
	for (int i = 0; i < MOST_CONNECTIONS; i++)
	{
		if (server->connections[i].deadline <= now)
			end(&server->connections[i]);
		next = earlier(next, server->connections[i].deadline);
	}
	return next;
}

/* Says whether this is an ADDRESS:PORT. */
bool
http_is_address(const char *text)
{
	struct addrinfo *info = read_address(text);

	if (info == NULL)
		return false;
	freeaddrinfo(info);
	return true;
}

/* Reads ADDRESS:PORT; NULL where it is none. Names are none: they could mean anything. */
static struct addrinfo *
read_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
							  .ai_socktype = SOCK_STREAM };
	struct addrinfo *info = NULL;
	char host[64];
	size_t length = colon != NULL ? (size_t) (colon - text) : 0;
	bool brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';

	/* getaddrinfo() would take any number, and use what fits of it */
	if (length == 0 || length >= sizeof(host) || strlen(colon + 1) > 5 || atoi(colon + 1) > 65535)
		return NULL;
	snprintf(host, sizeof(host), "%.*s", (int) length - 2 * brackets, text + brackets);
	if (brackets != (strchr(host, ':') != NULL) || colon[1] == '\0' ||
		getaddrinfo(host, colon + 1, &hints, &info) != 0)
		return NULL;
	return info;
}

/* A socket that listens, or -1. */
static int
listen_on(const struct addrinfo *info)
{
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int yes = 1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
		bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, MOST_CONNECTIONS) == 0)
		return fd;
	log_event(LEVEL_ERROR, "http_failed", log_text("error", strerror(errno)));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Tells which port it is: with port 0 the system chooses one. */
static void
log_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char host[64] = "";
	char port[16] = "";

	if (getsockname(fd, (struct sockaddr *) &address, &length) == 0)
		getnameinfo((struct sockaddr *) &address, length, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV);
	log_event(LEVEL_INFO, "http", log_text("address", host), log_text("port", port));
}

/* Somebody wants to connect. Whoever else does has a turn of their own. */
static void
on_accept(void *argument, int fd, uint32_t events)
{
	HttpServer *server = argument;
	HttpConnection *connection;
	int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void) events;
	if (accepted < 0)
	{
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		{
			/* the loop would call again and again */
			loop_forget(server->loop, fd);
			server->resume = clock_now() + PAUSE;
		}
		return;
	}
	connection = free_connection(server);
	connection->fd = accepted;
	connection->deadline = clock_now() + CONNECTION_TIME;
	connection->length = 0;
	connection->sent = 0;
	loop_watch(server->loop, accepted, EPOLLIN, on_ready, connection);
}

/* A free connection; the oldest one is ended if need be. */
static HttpConnection *
free_connection(HttpServer *server)
{
	HttpConnection *oldest = &server->connections[0];

	for (int i = 0; i < MOST_CONNECTIONS; i++)
	{
		if (server->connections[i].fd < 0)
			return &server->connections[i];
		if (server->connections[i].deadline < oldest->deadline)
			oldest = &server->connections[i];
	}
	end(oldest);
	return oldest;
}

/* A connection can be read, or written when there is an answer. */
static void
on_ready(void *argument, int fd, uint32_t events)
{
	HttpConnection *connection = argument;

	(void) fd;
	if ((events & EPOLLOUT) != 0)
		send_answer(connection);
	else
		read_request(connection);
}

/* Reads what has come; answers when the request's header is there. A body is not looked at. */
static void
read_request(HttpConnection *connection)
{
	char *to = connection->request + connection->length;
	size_t room = LONGEST_REQUEST - 1 - connection->length;
	ssize_t length = recv(connection->fd, to, room, 0);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0)
	{
		end(connection);
		return;
	}
	connection->length += (size_t) length;
	connection->request[connection->length] = '\0';
	if (strstr(connection->request, "\r\n\r\n") != NULL)
		answer(connection);
	else if (connection->length == LONGEST_REQUEST - 1 ||
			 strlen(connection->request) < connection->length)
		write_answer(connection, 400, true);
}

/* Answers a request by its first line. */
static void
answer(HttpConnection *connection)
{
	HttpServer *server = connection->server;
	char *rest = NULL;
	const char *method = strtok_r(connection->request, " \r\n", &rest);
	char *path = strtok_r(NULL, " \r\n", &rest);
	const char *version = strtok_r(NULL, " \r\n", &rest);
	bool head = method != NULL && strcmp(method, "HEAD") == 0;

	text_clear(&server->text);
	if (method == NULL || path == NULL || version == NULL || strncmp(version, "HTTP/1.", 7) != 0)
		write_answer(connection, 400, true);
	else if (!head && strcmp(method, "GET") != 0)
		write_answer(connection, 405, true);
	else
	{
		path[strcspn(path, "?")] = '\0';
		write_answer(connection, server->page(server->argument, path, &server->text), !head);
	}
}

/* Writes an answer with the server's text, or with the status where that is empty. */
static void
write_answer(HttpConnection *connection, int status, bool with_body)
{
	Text *body = &connection->server->text;
	Text *to = &connection->answer;

	if (body->length == 0)
		text_printf(body, "%s\n", reason_of(status));
	text_clear(to);
	text_printf(to,
				"HTTP/1.1 %d %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
				"Content-Length: %zu\r\nCache-Control: no-store\r\nConnection: close\r\n%s\r\n",
				status, reason_of(status), body->length,
				status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (with_body)
		text_append(to, body->data, body->length);
	text_clear(body);
	send_answer(connection);
}

static const char *
reason_of(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 400:
			return "Bad Request";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		default:
			return "Service Unavailable";
	}
}

/* Sends as much as the other side takes, and closes after the last of it. */
static void
send_answer(HttpConnection *connection)
{
	size_t left = connection->answer.length - connection->sent;
	ssize_t length = send(connection->fd, connection->answer.data + connection->sent, left,
						  MSG_NOSIGNAL | MSG_DONTWAIT);

	if (length < 0 && errno != EAGAIN && errno != EINTR)
		end(connection);
	else if (length >= 0 && (size_t) length == left)
	{
		/* what is left unread would take the answer along when the socket is closed */
		recv(connection->fd, connection->request, LONGEST_REQUEST, MSG_DONTWAIT);
		end(connection);
	}
	else
	{
		connection->sent += length > 0 ? (size_t) length : 0;
		loop_watch(connection->server->loop, connection->fd, EPOLLOUT, on_ready, connection);
	}
}

/* Closes a connection, in whatever state it is. */
static void
end(HttpConnection *connection)
{
	loop_forget(connection->server->loop, connection->fd);
	close(connection->fd);
	connection->fd = -1;
	connection->deadline = NEVER;
}
