/*
 * main.c
 *		dispatch-listener: posts the callbacks of the PostgreSQL extension "dispatch".
 *
 * One thread, one event loop. Claimed callbacks walk from the claim (claim.c) into the queue
 *(queue.c), over a request (transfer.c) to an outcome (outcome.c) that is recorded in the database.
 * Nothing that this program keeps in memory is needed by anybody: when it dies, leases pass and
 * callbacks are due again.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "claim.h"
#include "failed.h"
#include "http.h"
#include "lease.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "outcome.h"
#include "queue.h"
#include "service.h"
#include "session.h"
#include "signing.h"
#include "status.h"
#include "transfer.h"

/* How long a stopping listener tries to record outcomes, after the last request has had its time.
 */
#define STOP_MARGIN (5 * SECOND)

/* With --once: how long a lost connection may stay away. */
#define ONCE_PATIENCE (10 * SECOND)

/* Bounds of how long a statement may take. */
#define LEAST_PATIENCE (2 * SECOND)
#define MOST_PATIENCE (30 * SECOND)

/* A difference between our time and the server's that is worth a word. */
#define MOST_CLOCK_OFFSET (5 * SECOND)

/* How often the log tells what was done. */
#define PROGRESS_TIME (60 * SECOND)

#define SETUP_SQL                                                                                  \
	"SET search_path = pg_catalog, pg_temp;"                                                       \
	" SET default_transaction_isolation = 'read committed'"

/*
 * Two sessions. A claim that arms waits for writers that are about to commit, and its session is
 * the one that counts as asleep: outcomes must not wait behind it. And while the server prepares
 * the next batch, it takes the outcomes of the last one.
 */
static const SessionStatement claim_statements[] = {
	{ "claim", CLAIM_SQL, CLAIM_PARAMETERS },
};
/* A commit that hangs keeps a claim that arms no longer than this from what others queue. */
static const SessionPlan claim_plan = {
	"claim", SETUP_SQL "; SET lock_timeout = '1s'; LISTEN dispatch_callback", claim_statements, 1
};

enum
{
	STATEMENT_CLAIM = 0,
	STATEMENT_FINISH = 0,
	STATEMENT_RENEW = 1
};

static const SessionStatement finish_statements[] = {
	{ "finish", FINISH_SQL, FINISH_PARAMETERS },
	{ "renew", RENEW_SQL, RENEW_PARAMETERS },
};
static const SessionPlan finish_plan = { "finish", SETUP_SQL, finish_statements, 2 };

typedef struct Listener
{
	Options options;
	SigningKeys *keys;
	Loop *loop;
	HostTable *hosts;
	Queue *queue;
	Claims *claims;
	Transfers *transfers;
	Outcomes *outcomes;
	Leases *leases;
	Session *claim_session;
	Session *finish_session;
	int signals;
	bool stopping;
	Microseconds give_up; /* when a stopping listener leaves undone what is not done */
	bool ended;
	int exit_code;
	Status status;
	HttpServer *http;
	Service *service;        /* NULL: nobody wants to be told */
	Failed *failed;          /* NULL: without --once */
	int64_t settled_before;  /* answered or lost when it last claimed with nothing in its hands */
	int64_t answered_looked; /* answered when outcomes last made it look again */
	int64_t reported;        /* both, when the log last told */
	Microseconds report_due;
} Listener;

static int open_signals(void);
static void raise_file_limit(int concurrency);
static void listener_open(Listener *listener, int argc, char **argv);
static Microseconds patience(const Options *options);
static void listener_close(Listener *listener);
static void run(Listener *listener);
static Microseconds turn(Listener *listener, Microseconds now);
static Microseconds use_database(Listener *listener, Microseconds now);
static void tick_sessions(Listener *listener, Microseconds now);
static void check_clock(const Listener *listener);
static bool start_requests(Listener *listener, Microseconds now);
static bool expire_late(Listener *listener, Microseconds now);
static void expire(Listener *listener, Delivery *delivery);
static Microseconds use_finish_session(Listener *listener, Microseconds now);
static void look_again(Listener *listener);
static int64_t settled(const Listener *listener);
static void check_once(Listener *listener, int busy);
static void check_end(Listener *listener, Microseconds now);
static void check_sessions(Listener *listener, Microseconds now);
static void end(Listener *listener, int exit_code, const char *reason);
static void begin_to_stop(Listener *listener, const char *reason);
static Microseconds tell_service(Listener *listener, Microseconds now);
static Microseconds report_progress(Listener *listener, Microseconds now);
static void reload_keys(Listener *listener);
static void on_signal(void *argument, int fd, uint32_t events);
static void on_request_done(void *argument, Delivery *delivery, const Outcome *outcome);
static bool is_settled(const Delivery *delivery, const Outcome *outcome);
static void log_failure(Host *host, const Outcome *outcome);

int
main(int argc, char **argv)
{
	static Listener listener;

	listener_open(&listener, argc, argv);
	run(&listener);
	listener_close(&listener);
	return listener.exit_code;
}

/* Reads the command line and makes everything; exits when that fails. */
static void
listener_open(Listener *listener, int argc, char **argv)
{
	Options *options = &listener->options;
	TransferPlan plan = { .done = on_request_done, .argument = listener };

	options_parse(options, argc, argv);
	if (options->signing_keys != NULL)
	{
		Text problem = { 0 };

		listener->keys = signing_keys_load(options->signing_keys, &problem);
		if (listener->keys == NULL)
		{
			fprintf(stderr, "dispatch-listener: %s\n", problem.data);
			exit(EXIT_USAGE);
		}
		text_free(&problem);
	}
	/* Signals first: libcurl's threads, which resolve names, inherit what is blocked. */
	listener->signals = open_signals();
	raise_file_limit(options->concurrency);
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		exit(EXIT_TROUBLE);

	plan.concurrency = options->concurrency;
	plan.timeout = options->timeout;
	plan.allowed = &options->allowed;
	plan.ca_file = options->ca_file;
	listener->loop = loop_create();
	listener->hosts = host_table_create(listener->keys);
	listener->queue = queue_create(listener->hosts, options->per_host, options->concurrency);
	listener->claims = claims_create(options, listener->queue);
	listener->transfers = transfers_create(listener->loop, &plan);
	listener->outcomes = outcomes_create(options->batch);
	listener->leases = leases_create(listener->queue, options->lease);
	listener->failed = options->once ? failed_create() : NULL;
	listener->claim_session =
		session_create(listener->loop, &claim_plan, options->dbname, patience(options));
	listener->finish_session =
		session_create(listener->loop, &finish_plan, options->dbname, patience(options));
	loop_watch(listener->loop, listener->signals, EPOLLIN, on_signal, listener);
	listener->status = (Status){ .started = time(NULL),
								 .claims = listener->claims,
								 .queue = listener->queue,
								 .transfers = listener->transfers,
								 .outcomes = listener->outcomes,
								 .claim_session = listener->claim_session,
								 .finish_session = listener->finish_session };
	listener->service = service_create();
	if (options->http == NULL)
		return;
	listener->http = http_create(listener->loop, options->http, status_page, &listener->status);
	if (listener->http == NULL)
		exit(EXIT_TROUBLE);
}

/*
 * How long a statement may take. Leases are renewed when they are half over, so an answer that takes
 * as long as the other half comes too late.
 */
static Microseconds
patience(const Options *options)
{
	Microseconds half = options->lease / 2;

	return half < LEAST_PATIENCE ? LEAST_PATIENCE : earlier(half, MOST_PATIENCE);
}

/* Frees everything. */
static void
listener_close(Listener *listener)
{
	service_free(listener->service);
	http_free(listener->http);
	session_free(listener->claim_session);
	session_free(listener->finish_session);
	transfers_free(listener->transfers);
	claims_free(listener->claims);
	failed_free(listener->failed);
	leases_free(listener->leases);
	outcomes_free(listener->outcomes);
	queue_free(listener->queue);
	host_table_free(listener->hosts);
	loop_free(listener->loop);
	curl_global_cleanup();
	close(listener->signals);
	signing_keys_free(listener->keys);
	options_free(&listener->options);
}

/* Turns the signals that we know into something that the event loop can read. */
static int
open_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
	{
		log_event(LEVEL_ERROR, "signalfd_failed", log_text("error", strerror(errno)));
		exit(EXIT_TROUBLE);
	}
	return fd;
}

/* Makes room for the connections, as far as the system lets us. */
static void
raise_file_limit(int concurrency)
{
	rlim_t needed = (rlim_t) concurrency * 2 + 64;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed)
		log_event(LEVEL_WARNING, "few_files", log_number("limit", (int64_t) limit.rlim_cur),
				  log_number("needed", (int64_t) needed));
}

/* The event loop. */
static void
run(Listener *listener)
{
	log_event(LEVEL_INFO, "started", log_text("version", LISTENER_VERSION),
			  log_number("concurrency", listener->options.concurrency),
			  log_number("per_host", listener->options.per_host),
			  log_number("batch", listener->options.batch),
			  log_number("timeout_ms", listener->options.timeout / MILLISECOND),
			  log_number("lease_ms", listener->options.lease / MILLISECOND),
			  log_number("poll_ms", listener->options.poll / MILLISECOND));
	service_tell(listener->service, "READY=1");
	listener->report_due = clock_now() + PROGRESS_TIME;
	while (!listener->ended)
		loop_run_once(listener->loop, turn(listener, clock_now()));
}

/* Does all that can be done now; returns when there will be more to do, if nothing happens before.
 */
static Microseconds
turn(Listener *listener, Microseconds now)
{
	Microseconds next;
	bool may_send;

	tick_sessions(listener, now);
	(void) expire_late(listener, now);
	/* First, so that it works while requests are sent. */
	use_database(listener, now);
	if (listener->ended)
		return now;
	now = clock_now();
	may_send = expire_late(listener, now);
	/* A request may end as soon as it starts (a refused address), and makes room for the next. */
	do
		next = transfers_tick(listener->transfers, now);
	while (may_send && start_requests(listener, now));
	next = earlier(next, use_database(listener, now));
	if (listener->ended)
		return now;
	next = earlier(next, session_due(listener->claim_session));
	next = earlier(next, session_due(listener->finish_session));
	next = earlier(next, http_tick(listener->http, now));
	next = earlier(next, tell_service(listener, now));
	next = earlier(next, report_progress(listener, now));
	check_sessions(listener, now);
	check_end(listener, now);
	if (listener->stopping)
		next = earlier(next, listener->give_up);
	return listener->ended ? now : next;
}

/* Gives both sessions their next statements, if there is something to do for them. With --once it
 * may find that all is done, and end. */
static Microseconds
use_database(Listener *listener, Microseconds now)
{
	Microseconds next = use_finish_session(listener, now);

	if (listener->options.once && !listener->stopping)
		check_once(listener, queue_held(listener->queue) + outcomes_count(listener->outcomes));
	if (outcomes_take_finished(listener->outcomes))
		look_again(listener);
	if (listener->ended)
		return now;
	next = earlier(next, claims_tick(listener->claims, listener->claim_session, STATEMENT_CLAIM,
									 now, outcomes_count(listener->outcomes),
									 transfers_can_start(listener->transfers)));
	/* While it runs, nothing can be settled. */
	if (claims_run_alone(listener->claims))
		listener->settled_before = settled(listener);
	return next;
}

/*
 * Lets both sessions do what the clock asks for. When one has come through, the other waits no
 * longer: while only one is there, requests go out whose outcomes cannot be recorded.
 */
static void
tick_sessions(Listener *listener, Microseconds now)
{
	if (session_take_connected(listener->claim_session))
	{
		session_hurry(listener->finish_session);
		check_clock(listener);
	}
	if (session_take_connected(listener->finish_session))
		session_hurry(listener->claim_session);
	session_tick(listener->claim_session, now);
	session_tick(listener->finish_session, now);
}

/* Says when this machine's time is wrong, or the server's: signatures carry ours. */
static void
check_clock(const Listener *listener)
{
	Microseconds offset = session_clock_offset(listener->claim_session);

	if (offset > MOST_CLOCK_OFFSET || offset < -MOST_CLOCK_OFFSET)
		log_event(LEVEL_WARNING, "clock_offset", log_number("ahead_ms", offset / MILLISECOND),
				  log_text("reason", "this machine and the database have different times; "
									 "webhook-timestamp is the time of this machine"));
}

/*
 * Forgets what waits and has a lease that could not be renewed in time: it is due again, for
 * anybody. To be called before anything is renewed, which would keep it from them. Returns whether
 * requests may be sent: not when it is to stop, nor while a renewal of something late is under way.
 */
static bool
expire_late(Listener *listener, Microseconds now)
{
	bool may_send = true;
	Delivery *next;

	if (listener->stopping)
		return false;
	for (Delivery *delivery = queue_first_held(listener->queue);
		 delivery != NULL && delivery->lease_end <= now; delivery = next)
	{
		next = delivery->held_next;
		if (delivery->started != 0)
			continue;
		if (delivery->renewal != 0)
			may_send = false;
		else
			expire(listener, delivery);
	}
	return may_send;
}

/* Forgets a delivery that was not started. */
static void
expire(Listener *listener, Delivery *delivery)
{
	log_event(LEVEL_WARNING, "lease_lost", log_text("callback", delivery->id),
			  log_text("host", delivery->host->name));
	listener->status.leases_lost++;
	queue_release(listener->queue, delivery);
}

/* Starts as many requests as connections are free; says whether it started any. */
static bool
start_requests(Listener *listener, Microseconds now)
{
	bool started = false;
	Delivery *delivery;

	while (transfers_can_start(listener->transfers) &&
		   (delivery = queue_start_next(listener->queue, now)) != NULL)
	{
		transfers_start(listener->transfers, delivery, now);
		started = true;
	}
	return started;
}

/* Gives the session its next statement: give back, renew, or finish, whatever is most urgent. */
static Microseconds
use_finish_session(Listener *listener, Microseconds now)
{
	bool quiet = listener->stopping || (transfers_active(listener->transfers) == 0 &&
										queue_waiting(listener->queue) == 0);
	Microseconds renew = leases_due(listener->leases);
	Microseconds finish = outcomes_due(listener->outcomes, quiet);

	if (!session_idle(listener->finish_session))
		return NEVER;
	if (listener->stopping && queue_waiting(listener->queue) > 0)
		leases_give_back(listener->leases, listener->finish_session, STATEMENT_RENEW);
	else if (renew <= now)
		leases_renew(listener->leases, listener->finish_session, STATEMENT_RENEW, now);
	else if (finish <= now)
		outcomes_finish(listener->outcomes, listener->finish_session, STATEMENT_FINISH);
	else
		return earlier(renew, finish);
	return NEVER;
}

/*
 * Outcomes were recorded, and the database leases only so many callbacks for one host at a time:
 * more may be due now. With --once not when all have failed, or retries would keep us busy.
 */
static void
look_again(Listener *listener)
{
	if (listener->options.once && listener->status.answered == listener->answered_looked)
		return;
	listener->answered_looked = listener->status.answered;
	claims_look_again(listener->claims);
}

/* How many callbacks are off its hands for another reason than that they failed. */
static int64_t
settled(const Listener *listener)
{
	return listener->status.answered + listener->status.leases_lost;
}

/*
 * With --once: finds out whether all is done. A claim that found nothing while others were held is
 * not the end, since the database leases only so many for one host at a time. But it ends where
 * nothing was answered, or lost, since it last claimed with nothing in its hands: what that brought
 * has failed, and retries would keep it busy.
 */
static void
check_once(Listener *listener, int busy)
{
	if (busy > 0 || listener->ended)
		return;
	if (claims_exhausted(listener->claims))
		end(listener, failed_count(listener->failed) == 0 ? EXIT_CLEAN : EXIT_TROUBLE,
			"nothing is due");
	else if (claims_draining(listener->claims) && settled(listener) == listener->settled_before &&
			 failed_count(listener->failed) > 0)
		end(listener, EXIT_TROUBLE, "only failures are left");
}

/* Finds out whether a stopping listener has done all. */
static void
check_end(Listener *listener, Microseconds now)
{
	bool empty = queue_held(listener->queue) == 0 && outcomes_count(listener->outcomes) == 0 &&
				 !session_busy(listener->finish_session);

	if (listener->ended)
		return;
	if (listener->stopping && empty && claims_ended(listener->claims))
		end(listener, EXIT_CLEAN, "all is recorded");
	else if (listener->stopping && now >= listener->give_up)
		end(listener, EXIT_TROUBLE, "outcomes could not be recorded");
}

/* Finds out whether the database is of no use: at all, or, with --once, for too long. */
static void
check_sessions(Listener *listener, Microseconds now)
{
	Session *sessions[] = { listener->claim_session, listener->finish_session };

	for (int i = 0; i < 2; i++)
	{
		Microseconds since = session_down_since(sessions[i]);

		if (listener->ended)
			return;
		if (session_unusable(sessions[i]))
			end(listener, EXIT_TROUBLE,
				"the database cannot be used: is the extension there, may the user listen "
				"(dispatch.grant_access), is it a copy (dispatch.adopt)?");
		else if (listener->options.once && since != NEVER &&
				 (session_was_up(sessions[i]) ? now - since > ONCE_PATIENCE
											  : session_has_failed(sessions[i])))
			end(listener, EXIT_TROUBLE, "no connection");
	}
}

/* Ends the event loop. */
static void
end(Listener *listener, int exit_code, const char *reason)
{
	listener->ended = true;
	listener->exit_code = exit_code;
	log_event(exit_code == EXIT_CLEAN ? LEVEL_INFO : LEVEL_ERROR, "stopped",
			  log_text("reason", reason), log_number("answered", listener->status.answered),
			  log_number("failed", listener->status.failed),
			  log_number("unfinished", queue_held(listener->queue)),
			  log_number("unrecorded", outcomes_count(listener->outcomes)));
}

/* Starts nothing more; what runs has its time. */
static void
begin_to_stop(Listener *listener, const char *reason)
{
	listener->stopping = true;
	listener->status.stopping = true;
	listener->give_up = clock_now() + listener->options.timeout + STOP_MARGIN;
	claims_stop(listener->claims);
	service_tell(listener->service, "STOPPING=1");
	log_event(LEVEL_INFO, "stopping", log_text("reason", reason),
			  log_number("running", transfers_active(listener->transfers)),
			  log_number("waiting", queue_waiting(listener->queue)),
			  log_number("unrecorded", outcomes_count(listener->outcomes)));
}

/* Tells the service manager how we are; returns when it will tell again. */
static Microseconds
tell_service(Listener *listener, Microseconds now)
{
	Text text = { 0 };

	if (service_due(listener->service) > now)
		return service_due(listener->service);
	status_summary(&listener->status, &text);
	service_tick(listener->service, now, text.data);
	text_free(&text);
	return service_due(listener->service);
}

/* Tells now and then what was done; returns when it will tell again. */
static Microseconds
report_progress(Listener *listener, Microseconds now)
{
	int64_t done = listener->status.answered + listener->status.failed;

	if (now < listener->report_due)
		return listener->report_due;
	listener->report_due = now + PROGRESS_TIME;
	if (done != listener->reported)
		log_event(LEVEL_INFO, "progress", log_number("answered", listener->status.answered),
				  log_number("failed", listener->status.failed),
				  log_number("running", transfers_active(listener->transfers)),
				  log_number("waiting", queue_waiting(listener->queue)),
				  log_number("unrecorded", outcomes_count(listener->outcomes)));
	listener->reported = done;
	return listener->report_due;
}

/* SIGTERM or SIGINT: the first one stops, the second one ends. SIGHUP: new keys. */
static void
on_signal(void *argument, int fd, uint32_t events)
{
	Listener *listener = argument;
	struct signalfd_siginfo info;

	(void) events;
	while (!listener->ended && read(fd, &info, sizeof(info)) == sizeof(info))
	{
		if (info.ssi_signo == SIGHUP)
			reload_keys(listener);
		else if (listener->stopping)
			end(listener, EXIT_TROUBLE, "second signal");
		else
			begin_to_stop(listener, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	}
}

/* Reads the signing keys again; they stay as they are if that fails. */
static void
reload_keys(Listener *listener)
{
	Text problem = { 0 };
	SigningKeys *keys;

	if (listener->options.signing_keys == NULL)
	{
		log_event(LEVEL_INFO, "no_keys", log_text("reason", "there is no --signing-keys"));
		return;
	}
	keys = signing_keys_load(listener->options.signing_keys, &problem);
	if (keys == NULL)
		log_event(LEVEL_ERROR, "keys_kept", log_text("error", problem.data));
	else
	{
		host_table_set_keys(listener->hosts, keys);
		signing_keys_free(listener->keys);
		listener->keys = keys;
		log_event(LEVEL_INFO, "keys_read", log_number("keys", signing_keys_count(keys)));
	}
	text_free(&problem);
}

/* A request has ended: its outcome waits to be recorded, its place is free. */
static void
on_request_done(void *argument, Delivery *delivery, const Outcome *outcome)
{
	Listener *listener = argument;

	bool settled = is_settled(delivery, outcome);

	status_count(&listener->status, outcome, settled);
	failed_note(listener->failed, outcome->id, settled);
	if (!settled)
		log_failure(delivery->host, outcome);
	outcomes_add(listener->outcomes, outcome);
	queue_release(listener->queue, delivery);
}

/*
 * Says whether the database will be content with this answer. What it does is its own business;
 * this is for the log and for the exit status of --once.
 */
static bool
is_settled(const Delivery *delivery, const Outcome *outcome)
{
	int status = outcome->status;

	if (delivery->confirm)
		return status != 0 && status != 408 && status != 429 && status < 500;
	return (status >= 200 && status <= 299) || status == 410;
}

/* Logs a failure, at most one a second for each host. */
static void
log_failure(Host *host, const Outcome *outcome)
{
	Microseconds now = clock_now();

	if (now - host->failure_logged < SECOND)
	{
		host->failures_unlogged++;
		return;
	}
	if (outcome->status != 0)
		log_event(LEVEL_WARNING, "failed", log_text("callback", outcome->id),
				  log_text("host", host->name), log_number("attempt", outcome->attempt),
				  log_number("status", outcome->status),
				  log_number("unlogged", host->failures_unlogged));
	else
		log_event(LEVEL_WARNING, "failed", log_text("callback", outcome->id),
				  log_text("host", host->name), log_number("attempt", outcome->attempt),
				  log_text("error", outcome->error),
				  log_number("unlogged", host->failures_unlogged));
	host->failure_logged = now;
	host->failures_unlogged = 0;
}
