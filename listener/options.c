/*
 * options.c
 *		The command line. What it accepts is described once, in the text of --help.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

static const char help[] =
	"dispatch-listener posts the callbacks of the PostgreSQL extension \"dispatch\".\n"
	"\n"
	"Usage:\n"
	"  dispatch-listener [OPTION]...\n"
	"\n"
	"Options (times are in seconds, decimals allowed):\n"
	"  --dbname CONNINFO     what to connect to: a connection string or URI, or the name of a\n"
	"                        database; several hosts are allowed. What it leaves out comes\n"
	"                        from the environment\n"
	"  --concurrency N       connections to receivers at one time, all in all (64)\n"
	"  --per-host N          of these, to one host (32); never more than four times what is\n"
	"                        left for the others\n"
	"  --batch N             callbacks claimed at one time (200)\n"
	"  --timeout SECONDS     how long one request may take, from name to answer (15)\n"
	"  --lease SECONDS       how long a claimed callback is kept from other listeners; must\n"
	"                        be longer than the timeout, and is renewed when need be (60)\n"
	"  --poll SECONDS        how often to look without being notified: retries and expired\n"
	"                        leases fall due by the clock (2)\n"
	"  --allow-network CIDR  also post to this network (repeatable; IPv4 or IPv6). Loopback,\n"
	"                        private, link-local, shared (100.64/10), unique local,\n"
	"                        multicast, reserved and translated (NAT64, 6to4, Teredo)\n"
	"                        addresses are refused otherwise; the address that is connected\n"
	"                        to counts, and an IPv4 address mapped into IPv6 counts as IPv4\n"
	"  --signing-keys FILE   sign requests with the keys in FILE\n"
	"  --ca-file FILE        believe the certificates of receivers that an authority in FILE\n"
	"                        (PEM) has signed, instead of the system's authorities\n"
	"  --http ADDRESS:PORT   serve /metrics and /healthz there; without encryption and for\n"
	"                        anybody who can connect, so on a loopback address:\n"
	"                        127.0.0.1:9187, [::1]:9187\n"
	"  --once                deliver what is due, then exit; what fails is not waited for\n"
	"  --version             print the version and exit\n"
	"  --help                print this text and exit\n"
	"\n"
	"Environment:\n"
	"  PGHOST, PGUSER ...    what --dbname leaves out, as in psql (PGPASSFILE too)\n"
	"  NOTIFY_SOCKET ...     set by systemd for a service with Type=notify\n"
	"  No proxy and nothing else of the environment is used.\n"
	"\n"
	"Signing keys:\n"
	"  A line is \"HOST whsec_BASE64\". HOST is the host of the callback's URL, without a port\n"
	"  (an IPv6 address in brackets), or \"*\" for all hosts that have no line of their own.\n"
	"  Several lines for one host sign with each of the keys, for rotation. A key has 24\n"
	"  bytes or more. Empty lines and what follows \"#\" are ignored. Requests carry the\n"
	"  headers webhook-id, webhook-timestamp and, where there is a key, webhook-signature\n"
	"  (see Standard Webhooks). A host without a key is logged once. SIGHUP reads the file\n"
	"  again; if it cannot be used, or has no key, the keys stay as they were.\n"
	"  webhook-timestamp is the time of this machine, and receivers refuse requests that are\n"
	"  minutes old: when the database has another time, that is logged.\n"
	"\n"
	"Delivery:\n"
	"  A callback is sent at least once; webhook-id is the same at every attempt. Which\n"
	"  answer is a success and when to try again is decided in the database. Redirects are\n"
	"  not followed, no proxy is used, and of an answer no more than 64 kB is read. HTTP/2 is\n"
	"  spoken where an https host offers it, HTTP/1.1 elsewhere; TLS from 1.2 on,\n"
	"  certificates and names are checked. Connections are kept for the next callback, at\n"
	"  most --concurrency of them, for two minutes; a request on one that is closed without\n"
	"  any answer is sent once more at once.\n"
	"\n"
	"Connection:\n"
	"  When the connection is lost, the listener connects again, trying more and more slowly\n"
	"  (up to 10 s), whatever the reason: a wrong password, a full disk, a server that takes\n"
	"  no writes. Unless the connection string or PGTARGETSESSIONATTRS says otherwise, only a\n"
	"  server that accepts writes will do. Of several servers the next one is tried when one\n"
	"  refuses, or has not let us in within connect_timeout (15 s). A server that does not\n"
	"  answer a statement within half the lease (2 s at least, 30 s at most) is left too. Two\n"
	"  sessions are used. The user needs what dispatch.grant_access(USER, 'listen') grants.\n"
	"  It ends only where, at the very first use, the extension or that right is missing.\n"
	"\n"
	"Monitoring (with --http):\n"
	"  /healthz answers 200 while both sessions are connected and claims succeed, else 503\n"
	"  with the reason. /metrics has the text format of Prometheus: requests by class (2xx,\n"
	"  3xx, 4xx, 5xx; refused, resolve, connect, tls, timeout, broken), how long they took,\n"
	"  what runs and waits, claims, sessions. Neither names a host, a URL or a callback.\n"
	"\n"
	"Service:\n"
	"  systemd (Type=notify) is told READY=1 as soon as the command line, the keys and the\n"
	"  port are accepted, whether the database is there or not: STATUS says that. WATCHDOG=1\n"
	"  says that the event loop turns. dispatch-listener.service is a unit that uses all of\n"
	"  it.\n"
	"\n"
	"Signals:\n"
	"  SIGTERM, SIGINT       end cleanly: requests that run may finish, callbacks not yet\n"
	"                        started are given back at once, outcomes are recorded\n"
	"  one of them again     end now; what was claimed becomes due when its lease has passed\n"
	"  SIGHUP                read the signing keys again\n"
	"\n"
	"Log:\n"
	"  One line an event on stderr: time=... level=info|warning|error event=... key=value ...\n"
	"  Header values, bodies, keys and URLs (save their host) are never logged. Failed\n"
	"  requests are logged at most once a second for each host (unlogged=N counts the\n"
	"  others). The events:\n"
	"  started, stopped      with the version and what the options say; with the reason and\n"
	"                        what was done\n"
	"  stopping, given_back  it ends by a signal; so many callbacks are due again for others\n"
	"  connected             a session (claim or finish) can be used\n"
	"  connection_failed     it cannot; error and hint are the server's, retry_ms the pause\n"
	"  connection_lost       ... and so here:\n"
	"  statement_failed      the session connects again, then the statement is repeated\n"
	"  session_ended         what the server said when it ended a session\n"
	"  failed                a request: callback, host, attempt, status or error\n"
	"  progress              every minute in which something was done\n"
	"  lease_lost            a callback is left to others, since its lease was not renewed in\n"
	"                        time\n"
	"  leases_renewed        callbacks take longer than their lease\n"
	"  outcome_ignored       it was recorded before, or the callback was sent twice: its lease\n"
	"                        had passed meanwhile\n"
	"  outcome_given_up      the database cannot store an outcome: the callback is sent again\n"
	"  unsigned              there is no key for this host\n"
	"  keys_read, keys_kept  after SIGHUP: new keys, or the old ones and what is wrong with\n"
	"                        the file\n"
	"  keys_readable         every user of this machine can read the keys\n"
	"  clock_offset          this machine's time is ahead_ms before the database's (or\n"
	"                        behind)\n"
	"  few_files             the limit of open files is too low for --concurrency\n"
	"  http, http_failed     where /metrics is; why it cannot be\n"
	"\n"
	"Exit status:\n"
	"  0  ended cleanly; with --once: nothing that was due is left\n"
	"  1  trouble: the extension cannot be used, the port is taken, or outcomes could not be\n"
	"     recorded at the end; with --once also: no connection, or what was due has failed\n"
	"     and was not delivered since\n"
	"  2  wrong usage: of an option, or a file that it names\n";

enum
{
	OPTION_DBNAME = 1,
	OPTION_CONCURRENCY,
	OPTION_PER_HOST,
	OPTION_BATCH,
	OPTION_TIMEOUT,
	OPTION_LEASE,
	OPTION_POLL,
	OPTION_ALLOW_NETWORK,
	OPTION_SIGNING_KEYS,
	OPTION_CA_FILE,
	OPTION_HTTP,
	OPTION_ONCE,
	OPTION_VERSION,
	OPTION_HELP
};

static const struct option long_options[] = {
	{ "dbname", required_argument, NULL, OPTION_DBNAME },
	{ "concurrency", required_argument, NULL, OPTION_CONCURRENCY },
	{ "per-host", required_argument, NULL, OPTION_PER_HOST },
	{ "batch", required_argument, NULL, OPTION_BATCH },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "lease", required_argument, NULL, OPTION_LEASE },
	{ "poll", required_argument, NULL, OPTION_POLL },
	{ "allow-network", required_argument, NULL, OPTION_ALLOW_NETWORK },
	{ "signing-keys", required_argument, NULL, OPTION_SIGNING_KEYS },
	{ "ca-file", required_argument, NULL, OPTION_CA_FILE },
	{ "http", required_argument, NULL, OPTION_HTTP },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 }
};

static void take_option(Options *options, int option, const char *value);
static void print_and_exit(const char *text);
static int parse_number(const char *name, const char *value, int lowest, int highest);
static Microseconds parse_seconds(const char *name, const char *value, Microseconds lowest,
								  Microseconds highest);
static void check_dbname(const char *dbname);
static void check_ca_file(const char *path);
static void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Fills in the options from the command line. Does not return when it is wrong (exit status 2), or
 * asks for the help or the version (0). The strings belong to argv; options_free() frees the rest.
 */
void
options_parse(Options *options, int argc, char **argv)
{
	int option;

	*options = (Options){ .concurrency = 64,
						  .per_host = 32,
						  .batch = 200,
						  .timeout = 15 * SECOND,
						  .lease = 60 * SECOND,
						  .poll = 2 * SECOND };

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		take_option(options, option, optarg);

	if (optind < argc)
		usage_error("unexpected argument \"%s\"", argv[optind]);
	if (options->lease <= options->timeout)
		usage_error("--lease must be longer than --timeout");
	if (options->dbname != NULL)
		check_dbname(options->dbname);
}

void
options_free(Options *options)
{
	network_list_free(&options->allowed);
}

/* Takes one option of the command line. */
static void
take_option(Options *options, int option, const char *value)
{
	const char *problem;

	switch (option)
	{
		case OPTION_DBNAME:
			options->dbname = value;
			break;
		case OPTION_CONCURRENCY:
			options->concurrency = parse_number("--concurrency", value, 1, 10000);
			break;
		case OPTION_PER_HOST:
			options->per_host = parse_number("--per-host", value, 1, 10000);
			break;
		case OPTION_BATCH:
			options->batch = parse_number("--batch", value, 1, 10000);
			break;
		case OPTION_TIMEOUT:
			options->timeout = parse_seconds("--timeout", value, SECOND / 100, 3600 * SECOND);
			break;
		case OPTION_LEASE:
			options->lease = parse_seconds("--lease", value, SECOND / 10, 86400 * SECOND);
			break;
		case OPTION_POLL:
			options->poll = parse_seconds("--poll", value, SECOND / 100, 3600 * SECOND);
			break;
		case OPTION_ALLOW_NETWORK:
			problem = network_list_add(&options->allowed, value);
			if (problem != NULL)
				usage_error("--allow-network \"%s\": %s", value, problem);
			break;
		case OPTION_SIGNING_KEYS:
			options->signing_keys = value;
			break;
		case OPTION_CA_FILE:
			check_ca_file(value);
			options->ca_file = value;
			break;
		case OPTION_HTTP:
			if (!http_is_address(value))
				usage_error("--http takes ADDRESS:PORT, as 127.0.0.1:9187, not \"%s\"", value);
			options->http = value;
			break;
		case OPTION_ONCE:
			options->once = true;
			break;
		case OPTION_VERSION:
			print_and_exit("dispatch-listener " LISTENER_VERSION "\n");
			break;
		case OPTION_HELP:
			print_and_exit(help);
			break;
		default:
			/* getopt_long() has said what is wrong. */
			fputs("Try \"dispatch-listener --help\".\n", stderr);
			exit(EXIT_USAGE);
	}
}

/* Prints to stdout; a full disk or a closed pipe is trouble, not silence. */
static void
print_and_exit(const char *text)
{
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		exit(EXIT_TROUBLE);
	exit(EXIT_CLEAN);
}

/* Reads a whole number within limits. */
static int
parse_number(const char *name, const char *value, int lowest, int highest)
{
	size_t digits = strspn(value, "0123456789");
	long number = strtol(value, NULL, 10);

	if (digits == 0 || digits > 9 || value[digits] != '\0' || number < lowest || number > highest)
		usage_error("%s takes a whole number from %d to %d, not \"%s\"", name, lowest, highest,
					value);
	return (int) number;
}

/* Reads seconds with up to three decimals, within limits. */
static Microseconds
parse_seconds(const char *name, const char *value, Microseconds lowest, Microseconds highest)
{
	size_t digits = strspn(value, "0123456789");
	const char *rest = value + digits;
	Microseconds time = 0;
	Microseconds decimal = SECOND / 10;
	bool valid = digits > 0 && digits <= 9;

	if (valid)
		time = strtol(value, NULL, 10) * SECOND;
	if (*rest == '.')
	{
		size_t decimals = strspn(++rest, "0123456789");

		valid = valid && decimals > 0 && decimals <= 3;
		for (size_t i = 0; i < decimals; i++, decimal /= 10)
			time += (rest[i] - '0') * decimal;
		rest += decimals;
	}
	if (!valid || *rest != '\0' || time < lowest || time > highest)
		usage_error("%s takes seconds from %g to %g, not \"%s\"", name, (double) lowest / SECOND,
					(double) highest / SECOND, value);
	return time;
}

/*
 * Finds what is wrong with a connection string before the first connection. The message of libpq
 * may name an option, but does not repeat values (a password may be among them).
 */
static void
check_dbname(const char *dbname)
{
	char *message = NULL;
	PQconninfoOption *parsed;

	if (strchr(dbname, '=') == NULL && strncmp(dbname, "postgres://", 11) != 0 &&
		strncmp(dbname, "postgresql://", 13) != 0)
		return;
	parsed = PQconninfoParse(dbname, &message);
	if (parsed == NULL)
	{
		size_t length = message != NULL ? strcspn(message, "\n") : 0;

		usage_error("--dbname: %.*s", (int) length, message != NULL ? message : "");
	}
	PQconninfoFree(parsed);
}

/* Finds out at once whether there are certificates in the file. */
static void
check_ca_file(const char *path)
{
	FILE *file = fopen(path, "re");
	X509 *certificate;

	if (file == NULL)
		usage_error("could not open --ca-file \"%s\": %s", path, strerror(errno));
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	if (certificate == NULL)
		usage_error("there is no certificate in --ca-file \"%s\"", path);
	X509_free(certificate);
}

/* Says what is wrong with the command line, and exits. */
static void
usage_error(const char *format, ...)
{
	va_list arguments;

	fputs("dispatch-listener: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\nTry \"dispatch-listener --help\".\n", stderr);
	exit(EXIT_USAGE);
}
