/*
 * receiver.c
 *		A small receiver of callbacks, for the demo and the tests.
 *
 * It checks signatures as Standard Webhooks defines them, answers what the URL of the request tells
 * it to, and writes a line for each request into a file. The text of --help describes the query
 * options and the lines; there is no other description.
 *
 * libmicrohttpd runs all requests in one thread of its own. An answer that has to wait is suspended
 * there and resumed by the main thread, which has nothing else to do but to wait for signals.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define MOST_KEYS 64
#define LONGEST_KEY 512
#define LONGEST_CERTIFICATE 65536
#define LONGEST_BODY (16 * 1024 * 1024)
#define LONGEST_ANSWER (64 * 1024 * 1024)

/* A signature older or newer than this is a replay: what Standard Webhooks asks of receivers. */
#define TIMESTAMP_TOLERANCE 300

/* How many webhook-ids "times=" remembers; then it forgets all of them. */
#define IDS_REMEMBERED 65536
#define ID_BUCKETS 16384

static const char help[] =
	"receiver takes callbacks over HTTP, for the demo and the tests of dispatch.\n"
	"\n"
	"Usage:\n"
	"  receiver --port N [OPTION]...\n"
	"\n"
	"Options:\n"
	"  --port N          port to listen on; 0 picks a free one. The port is printed on stdout, "
	"alone\n"
	"                    on a line, as soon as connections are taken\n"
	"  --address ADDR    address to listen on, IPv4 or IPv6 (127.0.0.1)\n"
	"  --port-file FILE  also write the port into FILE, whole or not at all\n"
	"  --log FILE        append a line for each request to FILE\n"
	"  --key WHSEC       a signing key, whsec_BASE64 (repeatable)\n"
	"  --keys FILE       signing keys as dispatch-listener takes them, lines \"HOST "
	"whsec_BASE64\";\n"
	"                    the hosts are not looked at\n"
	"  --certificate F   speak TLS, with the certificate and the private key in the PEM file F\n"
	"  --help            print this text and exit\n"
	"\n"
	"Answers: 200, unless the query of the URL says otherwise. The path does not matter.\n"
	"  status=CODE       answer with CODE (200 to 599)\n"
	"  retry_after=TEXT  add a Retry-After header; the status is 503 if none is given\n"
	"  location=TEXT     add a Location header; the status is 302 if none is given\n"
	"  size=BYTES        answer with a body of so many bytes\n"
	"  delay=MS          wait before doing any of this, close included\n"
	"  close=1           close the connection without an answer\n"
	"  hang=1            never answer; the connection is let go when the other side closes it, or\n"
	"                    when the receiver ends\n"
	"  times=N           do all of this for the first N requests with the same webhook-id "
	"(without\n"
	"                    one: with the same URL), then answer 200 at once\n"
	"  Example: /hook?status=503&times=1\n"
	"\n"
	"Log: one JSON object a line, written before the answer is sent, with these members:\n"
	"  time         when the request had arrived, UTC: \"2026-01-31T12:00:00.123456Z\"\n"
	"  method       \"POST\"\n"
	"  path         path and query as sent: \"/hook?status=503\"\n"
	"  id           header webhook-id, or null\n"
	"  timestamp    header webhook-timestamp, or null\n"
	"  signature    \"valid\", \"invalid\" (no key fits, or the timestamp is more than 5 minutes "
	"off),\n"
	"               \"none\" (no such header), or \"unchecked\" (there is one, but no key was "
	"given)\n"
	"  status       what is answered; 0 for close and hang\n"
	"  clientPort   port of the client, which tells connections apart\n"
	"  contentType  header Content-Type, or null\n"
	"  headers      all headers, names in lower case\n"
	"  body         the body, as a string\n"
	"\n"
	"SIGTERM and SIGINT end it. Exit status: 0 ended by a signal, 1 trouble, 2 wrong usage.\n";

/* A growing piece of text. */
typedef struct Text
{
	char *data;
	size_t length;
	size_t capacity;
} Text;

typedef struct Key
{
	unsigned char bytes[LONGEST_KEY];
	size_t length;
} Key;

/* What the URL tells us to do. */
typedef struct Order
{
	unsigned int status;
	const char *retry_after;
	const char *location;
	size_t size;
	long delay;
	bool close;
	bool hang;
} Order;

/* One request, from its first line until it is completed. */
typedef struct Request
{
	struct Request *next; /* in the list of those that wait */
	char *uri;
	Text body;
	bool begun;
	bool too_long;
	bool judged;   /* it has arrived, was logged, and knows its answer */
	bool released; /* a hanging one need not hang any longer */
	Order order;
	struct MHD_Connection *connection;
	int64_t due; /* milliseconds; when a waiting one is resumed */
} Request;

/* How often a webhook-id was seen. */
typedef struct Seen
{
	struct Seen *next;
	long count;
	char id[];
} Seen;

static struct
{
	const char *address;
	int port;
	const char *port_file;
	const char *log_path;
	char *certificate; /* with its private key, in PEM; NULL: no TLS */
	Key keys[MOST_KEYS];
	int key_count;
} options = { .address = "127.0.0.1", .port = -1 };

static int log_file = -1;
static struct MHD_Response *ok_response;

static Seen *seen[ID_BUCKETS];
static int seen_count;

/* The requests that wait, shared by both threads. */
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static Request *waiting;
static bool ending;
static int wake_up;

static void parse_options(int argc, char **argv);
static void usage_error(const char *message, const char *value) __attribute__((noreturn));
static void add_key(const char *text);
static void add_keys_of_file(const char *path);
static char *read_file(const char *path);
static struct MHD_Daemon *start(void);
static void announce_port(struct MHD_Daemon *daemon);
static void wait_for_end(int signals);
static int resume_due(bool all);
static bool has_hung_up(const Request *request);
static int64_t now_ms(void);

static void *on_uri(void *unused, const char *uri, struct MHD_Connection *connection);
static enum MHD_Result on_request(void *unused, struct MHD_Connection *connection, const char *url,
								  const char *method, const char *version, const char *data,
								  size_t *size, void **context);
static void on_completed(void *unused, struct MHD_Connection *connection, void **context,
						 enum MHD_RequestTerminationCode code);
static void judge(Request *request, const char *method);
static void read_order(const Request *request, Order *order);
static bool first_times(const Request *request, long times);
static void suspend(Request *request, int64_t due);
static enum MHD_Result answer(const Request *request);

static const char *check_signature(const Request *request);
static bool signature_fits(const char *signatures, const char *message, size_t length);

static unsigned int client_port(struct MHD_Connection *connection);
static void write_log(const Request *request, const char *method, const char *signature);
static enum MHD_Result append_header(void *line, enum MHD_ValueKind kind, const char *key,
									 const char *value);
static void text_append(Text *text, const char *bytes, size_t length);
static void text_append_string(Text *text, const char *string);
static void json_append(Text *text, const char *value, size_t length);
static void json_member(Text *text, const char *name, const char *value);
static size_t utf8_length(const unsigned char *at, size_t left);
static void trouble(const char *what) __attribute__((noreturn));
static void *get_memory(void *old, size_t size);

int
main(int argc, char **argv)
{
	struct MHD_Daemon *daemon;
	sigset_t set;
	int signals;

	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	wake_up = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signals < 0 || wake_up < 0)
		trouble("could not wait for signals");

	if (options.log_path != NULL)
	{
		log_file = open(options.log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		if (log_file < 0)
			trouble(options.log_path);
	}
	ok_response = MHD_create_response_from_buffer(3, (void *) "ok\n", MHD_RESPMEM_PERSISTENT);
	daemon = start();
	announce_port(daemon);
	wait_for_end(signals);
	MHD_stop_daemon(daemon);
	MHD_destroy_response(ok_response);
	return 0;
}

/* Fills in the options; exits when they are wrong. */
static void
parse_options(int argc, char **argv)
{
	static const struct option known[] = { { "port", required_argument, NULL, 'p' },
										   { "address", required_argument, NULL, 'a' },
										   { "port-file", required_argument, NULL, 'f' },
										   { "log", required_argument, NULL, 'l' },
										   { "key", required_argument, NULL, 'k' },
										   { "keys", required_argument, NULL, 'K' },
										   { "certificate", required_argument, NULL, 'c' },
										   { "help", no_argument, NULL, 'h' },
										   { NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
	{
		if (option == 'p')
		{
			size_t digits = strspn(optarg, "0123456789");

			options.port = atoi(optarg);
			if (digits == 0 || digits > 5 || optarg[digits] != '\0' || options.port > 65535)
				usage_error("not a port", optarg);
		}
		else if (option == 'a')
			options.address = optarg;
		else if (option == 'f')
			options.port_file = optarg;
		else if (option == 'l')
			options.log_path = optarg;
		else if (option == 'k')
			add_key(optarg);
		else if (option == 'K')
			add_keys_of_file(optarg);
		else if (option == 'c')
			options.certificate = read_file(optarg);
		else if (option == 'h')
			exit(fputs(help, stdout) == EOF || fflush(stdout) == EOF);
		else
			exit(2);
	}
	if (optind < argc)
		usage_error("unexpected argument", argv[optind]);
	if (options.port < 0)
		usage_error("--port is required", "see --help");
}

static void
usage_error(const char *message, const char *value)
{
	fprintf(stderr, "receiver: %s: %s\n", message, value);
	exit(2);
}

/* Adds a key written as whsec_BASE64. */
static void
add_key(const char *text)
{
	unsigned char decoded[LONGEST_KEY + 3];
	size_t length = strlen(text);
	Key *key = &options.keys[options.key_count];
	int size = -1;

	if (options.key_count == MOST_KEYS)
		usage_error("too many keys", "64 at most");
	if (strncmp(text, "whsec_", 6) == 0 && (length - 6) / 4 * 3 <= LONGEST_KEY)
		size = EVP_DecodeBlock(decoded, (const unsigned char *) text + 6, (int) length - 6);
	if (size <= 0)
		usage_error("not a key", "expected whsec_ and base64");
	for (size_t i = length; i > 0 && text[i - 1] == '='; i--)
		size--;
	memcpy(key->bytes, decoded, (size_t) size);
	key->length = (size_t) size;
	options.key_count++;
}

/* Adds all keys of a file with lines "HOST whsec_BASE64". */
static void
add_keys_of_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[2048];

	if (file == NULL)
		trouble(path);
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char *rest = NULL;
		const char *host = strtok_r(line, " \t\r\n", &rest);
		const char *key = strtok_r(NULL, " \t\r\n", &rest);

		if (host == NULL || host[0] == '#')
			continue;
		if (key == NULL)
			usage_error("a line without a key", path);
		add_key(key);
	}
	fclose(file);
}

/* The content of a file, as a string that nobody frees. */
static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *content = calloc(1, LONGEST_CERTIFICATE);

	if (file == NULL || content == NULL || fread(content, 1, LONGEST_CERTIFICATE - 1, file) == 0)
		trouble(path);
	fclose(file);
	return content;
}

/* Starts to listen. */
static struct MHD_Daemon *
start(void)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t) options.port) };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6,
								 .sin6_port = htons((uint16_t) options.port) };
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
	const struct sockaddr *address = (const struct sockaddr *) &ipv4;
	struct MHD_Daemon *daemon;

	if (inet_pton(AF_INET, options.address, &ipv4.sin_addr) != 1)
	{
		if (inet_pton(AF_INET6, options.address, &ipv6.sin6_addr) != 1)
			usage_error("not an address", options.address);
		address = (const struct sockaddr *) &ipv6;
		flags |= MHD_USE_IPv6;
	}
	if (options.certificate != NULL)
		flags |= MHD_USE_TLS;
	daemon = MHD_start_daemon(
		flags, (uint16_t) options.port, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, address,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_CONNECTION_LIMIT, 4000u,
		options.certificate != NULL ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END,
		options.certificate, MHD_OPTION_HTTPS_MEM_CERT, options.certificate, MHD_OPTION_END);
	if (daemon == NULL)
		trouble("could not listen");
	return daemon;
}

/* Tells the port: on stdout, and in a file that comes into being with its content. */
static void
announce_port(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
	char temporary[4096];
	FILE *file;

	printf("%u\n", (unsigned int) info->port);
	fflush(stdout);
	if (options.port_file == NULL)
		return;
	snprintf(temporary, sizeof(temporary), "%s.%ld", options.port_file, (long) getpid());
	file = fopen(temporary, "we");
	if (file == NULL || fprintf(file, "%u\n", (unsigned int) info->port) < 0 || fclose(file) != 0 ||
		rename(temporary, options.port_file) != 0)
		trouble(options.port_file);
}

/* Resumes answers that have waited long enough, until a signal comes; then all of them. */
static void
wait_for_end(int signals)
{
	struct pollfd ready[2] = { { .fd = signals, .events = POLLIN },
							   { .fd = wake_up, .events = POLLIN } };

	while (ready[0].revents == 0)
	{
		uint64_t count;

		if (poll(ready, 2, resume_due(false)) < 0 && errno != EINTR)
			trouble("poll");
		if (ready[1].revents != 0 && read(wake_up, &count, sizeof(count)) < 0)
			continue;
	}
	resume_due(true);
}

/* Resumes what is due, or everything; returns the milliseconds until the next, or -1. */
static int
resume_due(bool all)
{
	int64_t now = now_ms();
	int64_t next = -1;
	Request **link;

	pthread_mutex_lock(&waiting_lock);
	ending = all;
	link = &waiting;
	while (*link != NULL)
	{
		Request *request = *link;
		int64_t left = request->due - now;

		if (all || left <= 0 || has_hung_up(request))
		{
			*link = request->next;
			request->released = all || left > 0 || request->order.hang;
			MHD_resume_connection(request->connection);
			continue;
		}
		/* Whether the other side has closed is looked up now and then. */
		left = left < 100 ? left : 100;
		next = next < 0 || left < next ? left : next;
		link = &request->next;
	}
	pthread_mutex_unlock(&waiting_lock);
	return (int) next;
}

/* Says whether the other side has closed its connection. */
static bool
has_hung_up(const Request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd state = { .fd = info->connect_fd, .events = POLLRDHUP };

	return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A request begins: what is returned is its context until on_completed(). */
static void *
on_uri(void *unused, const char *uri, struct MHD_Connection *connection)
{
	Request *request = get_memory(NULL, sizeof(*request));

	(void) unused;
	memset(request, 0, sizeof(*request));
	request->uri = strdup(uri);
	if (request->uri == NULL)
		trouble("out of memory");
	request->connection = connection;
	return request;
}

/* libmicrohttpd's call: at the header, at each piece of the body, at the end, and when resumed. */
static enum MHD_Result
on_request(void *unused, struct MHD_Connection *connection, const char *url, const char *method,
		   const char *version, const char *data, size_t *size, void **context)
{
	Request *request = *context;

	(void) unused;
	(void) connection;
	(void) url;
	(void) version;
	if (!request->begun)
	{
		request->begun = true;
		return MHD_YES;
	}
	if (*size > 0)
	{
		request->too_long |= request->body.length + *size > LONGEST_BODY;
		if (!request->too_long)
			text_append(&request->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!request->judged)
	{
		request->judged = true;
		judge(request, method);
		if (request->order.hang || request->order.delay > 0)
		{
			suspend(request, request->order.hang ? INT64_MAX : now_ms() + request->order.delay);
			return MHD_YES;
		}
	}
	return answer(request);
}

static void
on_completed(void *unused, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	Request *request = *context;

	(void) unused;
	(void) connection;
	(void) code;
	if (request == NULL)
		return;
	free(request->body.data);
	free(request->uri);
	free(request);
	*context = NULL;
}

/* A request has arrived: decides what it gets, and logs it. */
static void
judge(Request *request, const char *method)
{
	read_order(request, &request->order);
	if (request->too_long)
		request->order = (Order){ .status = 413 };
	if (log_file >= 0)
		write_log(request, method, check_signature(request));
}

/* Reads what the URL tells us to do. */
static void
read_order(const Request *request, Order *order)
{
	const char *status =
		MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "status");
	const char *const names[] = { "delay", "close", "hang", "size", "times" };
	long values[] = { 0, 0, 0, 0, 0 };

	*order = (Order){ .status = 200 };
	for (int i = 0; i < 5; i++)
	{
		const char *value =
			MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, names[i]);

		values[i] = value != NULL ? atol(value) : 0;
	}
	if (values[4] > 0 && !first_times(request, values[4]))
		return;

	order->retry_after =
		MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "retry_after");
	order->location =
		MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "location");
	if (status != NULL && atoi(status) >= 200 && atoi(status) <= 599)
		order->status = (unsigned int) atoi(status);
	else if (order->retry_after != NULL)
		order->status = 503;
	else if (order->location != NULL)
		order->status = 302;
	order->delay = values[0];
	order->close = values[1] != 0;
	order->hang = values[2] != 0;
	if (values[3] > 0 && values[3] <= LONGEST_ANSWER)
		order->size = (size_t) values[3];
}

/* Counts the request; says whether it is one of the first so many with its webhook-id. */
static bool
first_times(const Request *request, long times)
{
	const char *id =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "webhook-id");
	uint32_t hash = 2166136261u;
	Seen *entry;

	if (id == NULL)
		id = request->uri;
	for (const char *at = id; *at != '\0'; at++)
		hash = (hash ^ (unsigned char) *at) * 16777619u;
	for (entry = seen[hash % ID_BUCKETS]; entry != NULL; entry = entry->next)
		if (strcmp(entry->id, id) == 0)
			return ++entry->count <= times;

	for (int i = 0; seen_count >= IDS_REMEMBERED && i < ID_BUCKETS; i++)
		while ((entry = seen[i]) != NULL)
		{
			seen[i] = entry->next;
			free(entry);
		}
	seen_count = seen_count >= IDS_REMEMBERED ? 1 : seen_count + 1;
	entry = get_memory(NULL, sizeof(*entry) + strlen(id) + 1);
	strcpy(entry->id, id);
	entry->count = 1;
	entry->next = seen[hash % ID_BUCKETS];
	seen[hash % ID_BUCKETS] = entry;
	return true;
}

/* Lets the answer wait until the main thread resumes it. */
static void
suspend(Request *request, int64_t due)
{
	uint64_t one = 1;

	pthread_mutex_lock(&waiting_lock);
	MHD_suspend_connection(request->connection);
	request->due = ending ? 0 : due;
	request->next = waiting;
	waiting = request;
	if (ending)
	{
		waiting = request->next;
		request->released = true;
		MHD_resume_connection(request->connection);
	}
	pthread_mutex_unlock(&waiting_lock);
	if (write(wake_up, &one, sizeof(one)) < 0)
		trouble("eventfd");
}

/* Answers as ordered; MHD_NO closes the connection. */
static enum MHD_Result
answer(const Request *request)
{
	const Order *order = &request->order;
	struct MHD_Response *response;
	enum MHD_Result result;
	char *body;

	if (order->close || request->released)
		return MHD_NO;
	if (order->status == 200 && order->size == 0 && order->location == NULL &&
		order->retry_after == NULL)
		return MHD_queue_response(request->connection, 200, ok_response);

	body = get_memory(NULL, order->size > 0 ? order->size : 32);
	if (order->size > 0)
		memset(body, 'x', order->size);
	else
		snprintf(body, 32, "status %u\n", order->status);
	response = MHD_create_response_from_buffer(order->size > 0 ? order->size : strlen(body), body,
											   MHD_RESPMEM_MUST_FREE);
	if (order->retry_after != NULL)
		MHD_add_response_header(response, "Retry-After", order->retry_after);
	if (order->location != NULL)
		MHD_add_response_header(response, "Location", order->location);
	result = MHD_queue_response(request->connection, order->status, response);
	MHD_destroy_response(response);
	return result;
}

/* The verdict on the request's signature, in a word. */
static const char *
check_signature(const Request *request)
{
	static Text message;
	struct MHD_Connection *connection = request->connection;
	const char *id = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "webhook-id");
	const char *timestamp =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "webhook-timestamp");
	const char *signatures =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "webhook-signature");

	if (signatures == NULL)
		return "none";
	if (options.key_count == 0)
		return "unchecked";
	if (id == NULL || timestamp == NULL ||
		llabs(atoll(timestamp) - (long long) time(NULL)) > TIMESTAMP_TOLERANCE)
		return "invalid";

	message.length = 0;
	text_append_string(&message, id);
	text_append_string(&message, ".");
	text_append_string(&message, timestamp);
	text_append_string(&message, ".");
	text_append(&message, request->body.data, request->body.length);
	return signature_fits(signatures, message.data, message.length) ? "valid" : "invalid";
}

/* Says whether one of the signatures ("v1,BASE64 v1,BASE64") was made with one of the keys. */
static bool
signature_fits(const char *signatures, const char *message, size_t length)
{
	bool fits = false;

	for (int i = 0; i < options.key_count; i++)
	{
		unsigned char digest[EVP_MAX_MD_SIZE];
		char expected[4 + 4 * ((EVP_MAX_MD_SIZE + 2) / 3)];
		unsigned int size = 0;
		size_t expected_length;

		HMAC(EVP_sha256(), options.keys[i].bytes, (int) options.keys[i].length,
			 (const unsigned char *) message, length, digest, &size);
		memcpy(expected, "v1,", 3);
		expected_length =
			3 + (size_t) EVP_EncodeBlock((unsigned char *) expected + 3, digest, (int) size);
		for (const char *at = signatures; *at != '\0';)
		{
			size_t word = strcspn(at, " ");

			/* In constant time: how much of it is right is nobody's business. */
			fits |= word == expected_length && CRYPTO_memcmp(at, expected, word) == 0;
			at += word + strspn(at + word, " ");
		}
	}
	return fits;
}

/* Writes the line of a request, with one write() so that readers see whole lines. */
static void
write_log(const Request *request, const char *method, const char *signature)
{
	static Text line;
	struct MHD_Connection *connection = request->connection;
	bool silent = request->order.close || request->order.hang;
	struct timespec now;
	struct tm utc;
	char text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	line.length = 0;
	strftime(text, sizeof(text), "{\"time\":\"%Y-%m-%dT%H:%M:%S", &utc);
	text_append_string(&line, text);
	snprintf(text, sizeof(text), ".%06ldZ\"", now.tv_nsec / 1000);
	text_append_string(&line, text);
	json_member(&line, "method", method);
	json_member(&line, "path", request->uri);
	json_member(&line, "id",
				MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "webhook-id"));
	json_member(&line, "timestamp",
				MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "webhook-timestamp"));
	json_member(&line, "signature", signature);
	snprintf(text, sizeof(text), ",\"status\":%u", silent ? 0 : request->order.status);
	text_append_string(&line, text);
	snprintf(text, sizeof(text), ",\"clientPort\":%u", client_port(connection));
	text_append_string(&line, text);
	json_member(&line, "contentType",
				MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "content-type"));
	text_append_string(&line, ",\"headers\":{");
	MHD_get_connection_values(connection, MHD_HEADER_KIND, append_header, &line);
	text_append_string(&line, "},\"body\":");
	json_append(&line, request->body.data, request->body.length);
	text_append_string(&line, "}\n");
	if (write(log_file, line.data, line.length) != (ssize_t) line.length)
		trouble(options.log_path);
}

/* The port that the other side has, which tells connections apart. */
static unsigned int
client_port(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info->client_addr;

	return ntohs(address->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *) address)->sin6_port
												: ((const struct sockaddr_in *) address)->sin_port);
}

/* Appends one header as a member of an object. */
static enum MHD_Result
append_header(void *line, enum MHD_ValueKind kind, const char *key, const char *value)
{
	Text *text = line;
	size_t start;

	(void) kind;
	if (text->data[text->length - 1] != '{')
		text_append_string(text, ",");
	start = text->length;
	json_append(text, key, strlen(key));
	for (size_t i = start; i < text->length; i++)
		text->data[i] = (char) tolower((unsigned char) text->data[i]);
	text_append_string(text, ":");
	json_append(text, value != NULL ? value : "", value != NULL ? strlen(value) : 0);
	return MHD_YES;
}

static void
text_append(Text *text, const char *bytes, size_t length)
{
	size_t capacity = text->capacity == 0 ? 1024 : text->capacity;

	while (capacity < text->length + length + 1)
		capacity *= 2;
	if (capacity != text->capacity)
		text->data = get_memory(text->data, capacity);
	text->capacity = capacity;
	if (length > 0)
		memcpy(text->data + text->length, bytes, length);
	text->length += length;
}

static void
text_append_string(Text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

/* Appends a JSON string; bytes that are no UTF-8 become U+FFFD. */
static void
json_append(Text *text, const char *value, size_t length)
{
	size_t i = 0;

	text_append_string(text, "\"");
	while (i < length)
	{
		unsigned char c = (unsigned char) value[i];
		size_t size = utf8_length((const unsigned char *) value + i, length - i);
		char escaped[8];

		if (c == '"' || c == '\\')
		{
			text_append_string(text, "\\");
			text_append(text, value + i, 1);
		}
		else if (c < 0x20)
		{
			snprintf(escaped, sizeof(escaped), "\\u%04x", c);
			text_append_string(text, escaped);
		}
		else if (size == 0)
			text_append_string(text, "\xef\xbf\xbd");
		else
			text_append(text, value + i, size);
		i += size == 0 ? 1 : size;
	}
	text_append_string(text, "\"");
}

/* Appends ,"name":"value" or ,"name":null. */
static void
json_member(Text *text, const char *name, const char *value)
{
	text_append_string(text, ",\"");
	text_append_string(text, name);
	text_append_string(text, "\":");
	if (value != NULL)
		json_append(text, value, strlen(value));
	else
		text_append_string(text, "null");
}

/* The length of the valid UTF-8 character that starts here, or 0: no overlong forms, no surrogates.
 */
static size_t
utf8_length(const unsigned char *at, size_t left)
{
	uint32_t code;
	size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (size <= 1)
		return size;
	if (size > left)
		return 0;
	code = at[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++)
	{
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < lowest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return size;
}

static void
trouble(const char *what)
{
	fprintf(stderr, "receiver: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *
get_memory(void *old, size_t size)
{
	void *memory = realloc(old, size);

	if (memory == NULL)
		trouble("out of memory");
	return memory;
}
