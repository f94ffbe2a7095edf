/*
 * transfer.c
 *		The HTTP requests: libcurl's multi interface in the event loop.
 *
 * There is one easy handle for each request that may run at one time; it is set up once and used
 * again, so that a request costs no more than its URL, its headers and its body. Connections are
 * kept open.
 */
#include "transfer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"
#include "request.h"

/* Of an answer no more is read than this: what counts is its status. */
#define LONGEST_BODY (64 * 1024)
#define LONGEST_HEADERS (64 * 1024)

/* For how many seconds the authorities' certificates are kept before they are read again. */
#define TRUST_TIME 300L

/* How later versions of libcurl say that a line of the header is too long: CURLE_TOO_LARGE. Earlier
 * ones say that they have no memory for it. */
#define TOO_LARGE ((CURLcode) 100)

/* The longest Retry-After that is passed on; the database has a cap of its own, far below. */
#define LONGEST_RETRY_AFTER (366L * 24 * 3600)

/* One easy handle, and the request that it runs. */
typedef struct Transfer
{
	struct Transfer *next_free;
	Transfers *all;
	CURL *easy;
	Delivery *delivery;
	struct curl_slist *headers;
	Microseconds started;
	bool connecting;                /* it has begun a connection of its own ... */
	int socket;                     /* ... on this socket; -1 when it is closed */
	bool connected;                 /* ... and had one when the socket was closed */
	char refused[INET6_ADDRSTRLEN]; /* an address that is not allowed, or "" */
	size_t header_bytes;
	size_t body_bytes;
	bool answered; /* the header of the answer has come, and so its status */
	char excerpt[EXCERPT_SIZE];
	size_t excerpt_length;
	char error[CURL_ERROR_SIZE];
} Transfer;

/* What is known of a socket. */
typedef struct SocketState
{
	Transfer *opener;      /* opened by on_open() for this one; NULL: by libcurl for itself */
	bool wanted;           /* libcurl waits for something on it */
	Microseconds answered; /* when a request last had its answer on it */
} SocketState;

struct Transfers
{
	Loop *loop;
	TransferPlan plan;
	CURLM *multi;
	Microseconds timer;  /* when libcurl wants to be called */
	Transfer *transfers; /* concurrency of them */
	Transfer *free;
	int active;
	SocketState *sockets; /* by file descriptor */
	int socket_count;
	Request request; /* memory that is used again for every request */
};

static void transfer_init(Transfers *transfers, Transfer *transfer);
static void set_permanent_options(const Transfers *transfers, Transfer *transfer);
static void set_trust(CURL *easy, const char *ca_file);
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *argument, void *unused);
static int on_timer(CURLM *multi, long timeout, void *argument);
static void on_ready(void *argument, int fd, uint32_t events);
static SocketState *socket_state(Transfers *transfers, int fd);
static curl_socket_t on_open(void *argument, curlsocktype purpose, struct curl_sockaddr *address);
static bool is_connected(int fd);
static int on_close(void *argument, curl_socket_t fd);
static int on_start(void *argument, char *address, char *local_address, int port, int local_port);
static size_t on_header(char *data, size_t size, size_t count, void *argument);
static size_t on_body(char *data, size_t size, size_t count, void *argument);
static void reap(Transfers *transfers);
static void transfer_ended(Transfer *transfer, CURLcode code);
static void judge_connection(const Transfer *transfer, CURLcode code);
static void describe_outcome(const Transfer *transfer, CURLcode code, Outcome *outcome);
static bool is_refused(const Transfer *transfer);
static OutcomeKind kind_of(const Transfer *transfer, CURLcode code, int status);
static void describe_error(const Transfer *transfer, CURLcode code, char *text, size_t room);
static const char *step_of(const Transfer *transfer);
static void setopt_failed(CURLcode code) __attribute__((noreturn));

/* An option that libcurl refuses means another libcurl than the one it was built with. */
#define setopt(easy, option, value)                                                                \
	do                                                                                             \
	{                                                                                              \
		CURLcode setopt_code = curl_easy_setopt(easy, option, value);                              \
		if (setopt_code != CURLE_OK)                                                               \
			setopt_failed(setopt_code);                                                            \
	} while (0)

/* Makes the handles. The plan is copied; transfers_free() frees the result. */
Transfers *
transfers_create(Loop *loop, const TransferPlan *plan)
{
	Transfers *transfers = memory_get_zeroed(sizeof(*transfers));

	transfers->loop = loop;
	transfers->plan = *plan;
	transfers->timer = NEVER;
	transfers->multi = curl_multi_init();
	if (transfers->multi == NULL)
		memory_exhausted();
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long) plan->concurrency);

	transfers->transfers = memory_get_zeroed((size_t) plan->concurrency * sizeof(Transfer));
	for (int i = plan->concurrency - 1; i >= 0; i--)
	{
		transfers->transfers[i].all = transfers;
		transfers->transfers[i].next_free = transfers->free;
		transfers->free = &transfers->transfers[i];
	}
	return transfers;
}

/* Aborts what runs, without telling anybody, and frees everything. */
void
transfers_free(Transfers *transfers)
{
	for (int i = 0; i < transfers->plan.concurrency; i++)
	{
		Transfer *transfer = &transfers->transfers[i];

		if (transfer->delivery != NULL)
			curl_multi_remove_handle(transfers->multi, transfer->easy);
		curl_slist_free_all(transfer->headers);
		curl_easy_cleanup(transfer->easy);
	}
	curl_multi_cleanup(transfers->multi);
	request_free(&transfers->request);
	free(transfers->transfers);
	free(transfers->sockets);
	free(transfers);
}

bool
transfers_can_start(const Transfers *transfers)
{
	return transfers->free != NULL;
}

/* How many requests run. */
int
transfers_active(const Transfers *transfers)
{
	return transfers->active;
}

/*
 * Starts the request of a delivery, which must live until the plan's done() is called with it: from
 * transfers_tick(), never from here.
 */
void
transfers_start(Transfers *transfers, Delivery *delivery, Microseconds now)
{
	Transfer *transfer = transfers->free;

	transfers->free = transfer->next_free;
	transfers->active++;
	transfer_init(transfers, transfer);
	transfer->delivery = delivery;
	transfer->started = now;

	transfer->headers = request_headers(&transfers->request, delivery);
	setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
	setopt(transfer->easy, CURLOPT_URL, delivery->url);
	setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, delivery->method);
	setopt(transfer->easy, CURLOPT_POSTFIELDS, delivery->body);
	setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) delivery->body_length);
	if (curl_multi_add_handle(transfers->multi, transfer->easy) != CURLM_OK)
		memory_exhausted();
}

/* Does what libcurl's clock asks for, and ends what has ended; returns when it wants to be called.
 */
Microseconds
transfers_tick(Transfers *transfers, Microseconds now)
{
	int running;

	if (transfers->timer <= now)
	{
		transfers->timer = NEVER;
		curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	reap(transfers);
	return transfers->timer;
}

/* Readies a handle for the next request. */
static void
transfer_init(Transfers *transfers, Transfer *transfer)
{
	if (transfer->easy == NULL)
	{
		transfer->easy = curl_easy_init();
		if (transfer->easy == NULL)
			memory_exhausted();
		set_permanent_options(transfers, transfer);
	}
	setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 0L);
	transfer->connecting = false;
	transfer->socket = -1;
	transfer->connected = false;
	transfer->refused[0] = '\0';
	transfer->header_bytes = 0;
	transfer->body_bytes = 0;
	transfer->answered = false;
	transfer->excerpt_length = 0;
	transfer->error[0] = '\0';
}

/*
 * Sets what is the same for all requests. A proxy would hide the address that is connected to, a
 * redirect could lead anywhere, and other protocols are none of our business.
 */
static void
set_permanent_options(const Transfers *transfers, Transfer *transfer)
{
	CURL *easy = transfer->easy;

	setopt(easy, CURLOPT_PRIVATE, transfer);
	setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	setopt(easy, CURLOPT_NOSIGNAL, 1L);
	setopt(easy, CURLOPT_POST, 1L);
	setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	setopt(easy, CURLOPT_PROXY, "");
	setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	set_trust(easy, transfers->plan.ca_file);
	setopt(easy, CURLOPT_USERAGENT, "dispatch-listener/" LISTENER_VERSION);
	setopt(easy, CURLOPT_TIMEOUT_MS, (long) (transfers->plan.timeout / MILLISECOND));
	setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) (transfers->plan.timeout / MILLISECOND));
	setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	setopt(easy, CURLOPT_CLOSESOCKETDATA, transfers);
	setopt(easy, CURLOPT_PREREQFUNCTION, on_start);
	setopt(easy, CURLOPT_PREREQDATA, transfer);
	setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	setopt(easy, CURLOPT_HEADERDATA, transfer);
	setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	setopt(easy, CURLOPT_WRITEDATA, transfer);
}

/* Sets whose certificates are believed: those of the system's authorities, or of one's own alone. */
static void
set_trust(CURL *easy, const char *ca_file)
{
	setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, TRUST_TIME);
	if (ca_file == NULL)
		return;
	setopt(easy, CURLOPT_CAINFO, ca_file);
	setopt(easy, CURLOPT_CAPATH, (char *) NULL);
}

/*
 * libcurl says what it waits for on a socket. When it waits for nothing any more the watch stays:
 * the connection will most likely carry another request at once, and epoll_ctl() is a system call.
 * Not so on the sockets that libcurl uses within itself (to resolve names), which it closes without
 * a word.
 */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *argument, void *unused)
{
	Transfers *transfers = argument;
	SocketState *state = socket_state(transfers, fd);
	uint32_t events = 0;

	(void) easy;
	(void) unused;
	state->wanted = what != CURL_POLL_REMOVE;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;
	if (events != 0)
		loop_watch(transfers->loop, fd, events, on_ready, transfers);
	else if (state->opener == NULL)
		loop_forget(transfers->loop, fd);
	return 0;
}

/* libcurl says when it wants to be called, in milliseconds; -1: not at all. */
static int
on_timer(CURLM *multi, long timeout, void *argument)
{
	Transfers *transfers = argument;

	(void) multi;
	if (timeout > 0)
		transfers->timer = clock_now() + timeout * MILLISECOND;
	else
		transfers->timer = timeout < 0 ? NEVER : 0;
	return 0;
}

/* The event loop's call: a socket is ready. */
static void
on_ready(void *argument, int fd, uint32_t events)
{
	Transfers *transfers = argument;
	int bits = 0;
	int running;

	/* Nobody waits for it: an idle connection that the other side closes. libcurl will find out. */
	if (!socket_state(transfers, fd)->wanted)
	{
		loop_forget(transfers->loop, fd);
		return;
	}
	if ((events & EPOLLIN) != 0)
		bits |= CURL_CSELECT_IN;
	if ((events & EPOLLOUT) != 0)
		bits |= CURL_CSELECT_OUT;
	if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		bits |= CURL_CSELECT_ERR;
	curl_multi_socket_action(transfers->multi, fd, bits, &running);
}

/* What is known of a socket; valid until the next call. */
static SocketState *
socket_state(Transfers *transfers, int fd)
{
	if (fd >= transfers->socket_count)
	{
		int count = 2 * fd + 64;

		transfers->sockets =
			memory_resize(transfers->sockets, (size_t) count * sizeof(SocketState));
		memset(transfers->sockets + transfers->socket_count, 0,
			   (size_t) (count - transfers->socket_count) * sizeof(SocketState));
		transfers->socket_count = count;
	}
	return &transfers->sockets[fd];
}

/* Opens a socket to an address, if that address is allowed. */
static curl_socket_t
on_open(void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
	Transfer *transfer = argument;
	int fd;

	(void) purpose;
	if (!address_is_allowed(transfer->all->plan.allowed, &address->addr))
	{
		address_to_text(&address->addr, transfer->refused, sizeof(transfer->refused));
		return CURL_SOCKET_BAD;
	}
	transfer->connecting = true;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	*socket_state(transfer->all, fd) = (SocketState){ .opener = transfer };
	transfer->socket = fd;
	return fd;
}

/* Says whether there is somebody at the other end. */
static bool
is_connected(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return getpeername(fd, (struct sockaddr *) &peer, &length) == 0;
}

static int
on_close(void *argument, curl_socket_t fd)
{
	Transfers *transfers = argument;

	Transfer *opener = socket_state(transfers, fd)->opener;

	/* The last chance to learn how far a request had come that has failed. */
	if (opener != NULL && opener->socket == fd)
	{
		opener->connected = is_connected(fd);
		opener->socket = -1;
	}
	*socket_state(transfers, fd) = (SocketState){ .opener = NULL };
	loop_forget(transfers->loop, fd);
	return close(fd);
}

/*
 * A request is about to be sent, on a connection that is there. Where that has served others and
 * is closed without a byte of answer, libcurl sends the request again: the other side may have
 * closed it just before, for having been idle. That is to be on a connection of its own, or the
 * request would go out on each of those that are kept, up to six times.
 */
static int
on_start(void *argument, char *address, char *local_address, int port, int local_port)
{
	Transfer *transfer = argument;

	(void) address;
	(void) local_address;
	(void) port;
	(void) local_port;
	setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
	return CURL_PREREQFUNC_OK;
}

/* Counts the answer's header; too much of it is no answer. */
static size_t
on_header(char *data, size_t size, size_t count, void *argument)
{
	Transfer *transfer = argument;
	long status = 0;

	(void) data;
	transfer->header_bytes += size * count;
	if (size * count <= strlen("\r\n"))
	{
		/* the end of a header, if not of an interim one (RFC 9110, section 15.2) */
		curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
		transfer->answered = status >= 200;
	}
	return transfer->header_bytes > LONGEST_HEADERS ? 0 : size * count;
}

/* Keeps the beginning of the answer's body; ends the request when there is too much of it. */
static size_t
on_body(char *data, size_t size, size_t count, void *argument)
{
	Transfer *transfer = argument;
	size_t length = size * count;
	size_t room = EXCERPT_SIZE - transfer->excerpt_length;
	size_t kept = length < room ? length : room;

	memcpy(transfer->excerpt + transfer->excerpt_length, data, kept);
	transfer->excerpt_length += kept;
	transfer->body_bytes += length;
	return transfer->body_bytes > LONGEST_BODY ? 0 : length;
}

/* Ends every request that has ended. */
static void
reap(Transfers *transfers)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL)
	{
		Transfer *transfer = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
		transfer_ended(transfer, code);
	}
}

/* A request has ended: frees the handle for the next one, then tells the outcome. */
static void
transfer_ended(Transfer *transfer, CURLcode code)
{
	Transfers *transfers = transfer->all;
	Delivery *delivery = transfer->delivery;
	Outcome outcome;

	describe_outcome(transfer, code, &outcome);
	judge_connection(transfer, code);
	curl_multi_remove_handle(transfers->multi, transfer->easy);
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
	transfer->delivery = NULL;
	transfer->next_free = transfers->free;
	transfers->free = transfer;
	transfers->active--;
	transfers->plan.done(transfers->plan.argument, delivery, &outcome);
}

/*
 * Of HTTP/2, libcurl keeps a connection on which a request had no answer in time, since there may be
 * others on it. When none of them was answered meanwhile, nobody may be there any more: no other
 * request shall wait for it.
 */
static void
judge_connection(const Transfer *transfer, CURLcode code)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	long version = 0;
	SocketState *state;

	/* to find the connection takes libcurl some time */
	curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
	if (transfer->answered ? version != CURL_HTTP_VERSION_2 : code != CURLE_OPERATION_TIMEDOUT)
		return;
	curl_easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD)
		return;
	state = socket_state(transfer->all, fd);
	if (transfer->answered)
		state->answered = clock_now();
	else if (state->answered < transfer->started)
		shutdown(fd, SHUT_RDWR);
}

/* Says what became of a request. */
static void
describe_outcome(const Transfer *transfer, CURLcode code, Outcome *outcome)
{
	curl_off_t retry_after = 0;
	long status = 0;

	snprintf(outcome->id, sizeof(outcome->id), "%s", transfer->delivery->id);
	outcome->attempt = transfer->delivery->attempt;
	outcome->duration = clock_now() - transfer->started;
	outcome->error[0] = '\0';
	/*
	 * What becomes of the answer's body does not matter: the header says what it is. But it must be
	 * there to its end, which libcurl does not insist on.
	 */
	if (transfer->answered)
		curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	else
		describe_error(transfer, code, outcome->error, sizeof(outcome->error));
	if (status != 0)
		curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
	outcome->status = (int) status;
	outcome->kind = kind_of(transfer, code, outcome->status);
	outcome->retry_after =
		retry_after > LONGEST_RETRY_AFTER ? LONGEST_RETRY_AFTER : (long) retry_after;
	text_sanitize(outcome->excerpt, sizeof(outcome->excerpt), transfer->excerpt,
				  transfer->excerpt_length);
}

/* What a request came to, for those who count. */
static OutcomeKind
kind_of(const Transfer *transfer, CURLcode code, int status)
{
	if (status >= 200 && status <= 599)
		return KIND_2XX + (OutcomeKind) (status / 100 - 2);
	if (is_refused(transfer))
		return KIND_REFUSED;
	switch (code)
	{
		case CURLE_OPERATION_TIMEDOUT:
			return KIND_TIMEOUT;
		case CURLE_COULDNT_RESOLVE_HOST:
			return KIND_RESOLVE;
		case CURLE_COULDNT_CONNECT:
			return KIND_CONNECT;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
			return KIND_TLS;
		default:
			return KIND_BROKEN;
	}
}

/* Says whether no address of the host was allowed. */
static bool
is_refused(const Transfer *transfer)
{
	return transfer->refused[0] != '\0' && !transfer->connecting;
}

/* Says in words why there is no answer, and how far the request had come. */
static void
describe_error(const Transfer *transfer, CURLcode code, char *text, size_t room)
{
	const char *reason = transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
	long system_error = 0;
	char words[ERROR_SIZE];

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &system_error);
	if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(words, sizeof(words), "timed out after %g s %s",
				 (double) transfer->all->plan.timeout / SECOND, step_of(transfer));
	else if (is_refused(transfer))
		snprintf(words, sizeof(words), "address %s is not allowed (see --allow-network)",
				 transfer->refused);
	else if (code == CURLE_UNSUPPORTED_PROTOCOL)
		/* the database takes URLs of http and https only, so it is what came back */
		snprintf(words, sizeof(words), "the answer is not HTTP");
	else if (code == CURLE_URL_MALFORMAT)
		snprintf(words, sizeof(words), "the URL cannot be used: %s", curl_easy_strerror(code));
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		snprintf(words, sizeof(words), "could not resolve the host name");
	else if (code == CURLE_COULDNT_CONNECT && system_error != 0)
		snprintf(words, sizeof(words), "could not connect: %s", strerror((int) system_error));
	else if (code == CURLE_OK)
		snprintf(words, sizeof(words), "the answer ends within its header");
	else if (transfer->header_bytes > LONGEST_HEADERS || code == CURLE_OUT_OF_MEMORY ||
			 code == TOO_LARGE)
		snprintf(words, sizeof(words), "the answer's header is longer than %d bytes",
				 LONGEST_HEADERS);
	else
		snprintf(words, sizeof(words), "failed %s: %s", step_of(transfer), reason);
	text_sanitize(text, room, words, strlen(words));
}

/* The step that a request was in when it ended. */
static const char *
step_of(const Transfer *transfer)
{
	curl_off_t ready = 0;
	curl_off_t sent = 0;
	bool https = strncasecmp(transfer->delivery->url, "https:", 6) == 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	if (ready == 0)
	{
		if (!transfer->connecting)
			return "resolving the host name";
		if (https &&
			(transfer->connected || (transfer->socket >= 0 && is_connected(transfer->socket))))
			return "in the TLS handshake";
		return "connecting";
	}
	if (transfer->header_bytes > 0)
		return "reading the answer";
	if (sent < (curl_off_t) transfer->delivery->body_length)
		return "sending the request";
	return "waiting for the answer";
}

static void
setopt_failed(CURLcode code)
{
	log_event(LEVEL_ERROR, "libcurl_failed", log_text("error", curl_easy_strerror(code)));
	exit(1);
}
