/*
 * queue.c
 *		The deliveries that this listener holds.
 *
 * Each host has a queue of its own, and the hosts that may start a request stand in a ring and take
 * turns: neither a slow host nor a busy one keeps the others waiting.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

struct Queue
{
	HostTable *hosts;
	int per_host;
	int concurrency; /* the most that may run */
	int waiting;     /* not started */
	int held;        /* started or not */
	size_t bytes;
	Host *ready;                      /* the ring; the host whose turn it is */
	Delivery *first_held, *last_held; /* the list of all, by the end of their leases */
};

/* A host is slow when what waits for it will need longer than this. */
#define SLOW (250 * MILLISECOND)

/* A host may have this many times as many connections as are left for others. */
#define SHARE 4

static Host *next_host(const Queue *queue);
static bool is_slow(const Host *host, int per_host, Microseconds now);
static Delivery *delivery_create(const ClaimedRow *row);
static const char *copy_string(char **to, const char *from, size_t length);
static void held_insert(Queue *queue, Delivery *delivery);
static void held_remove(Queue *queue, Delivery *delivery);
static void host_check_ready(Queue *queue, Host *host);
static void remove_waiting(Queue *queue, Delivery *delivery);

/* Makes an empty queue; queue_free() frees it and what it holds. */
Queue *
queue_create(HostTable *hosts, int per_host, int concurrency)
{
	Queue *queue = memory_get_zeroed(sizeof(*queue));

	queue->hosts = hosts;
	queue->per_host = per_host;
	queue->concurrency = concurrency;
	return queue;
}

void
queue_free(Queue *queue)
{
	while (queue->first_held != NULL)
		queue_release(queue, queue->first_held);
	free(queue);
}

/* Takes in a claimed callback; copies everything. */
void
queue_add(Queue *queue, const ClaimedRow *row, Microseconds lease_end)
{
	Delivery *delivery = delivery_create(row);
	Host *host;

	host_tidy(queue->hosts);
	host = host_find(queue->hosts, delivery->url);
	delivery->host = host;
	delivery->lease_end = lease_end;
	if (host->last != NULL)
		host->last->next = delivery;
	else
		host->first = delivery;
	host->last = delivery;
	host->queued++;
	queue->waiting++;
	queue->held++;
	queue->bytes += delivery->size;
	held_insert(queue, delivery);
	host_check_ready(queue, host);
}

/* Says whether a delivery waits whose host takes one more request. */
bool
queue_can_start(const Queue *queue)
{
	return next_host(queue) != NULL;
}

/* The next delivery to be sent, or NULL. It stays the queue's; queue_release() ends it. */
Delivery *
queue_start_next(Queue *queue, Microseconds now)
{
	Host *host = next_host(queue);
	Delivery *delivery;

	if (host == NULL)
		return NULL;
	queue->ready = host->next;
	delivery = host->first;
	remove_waiting(queue, delivery);
	delivery->started = now;
	if (host->active++ == 0)
		host->moved = now;
	host_check_ready(queue, host);
	return delivery;
}

/* Forgets a delivery, started or not, and frees it. */
void
queue_release(Queue *queue, Delivery *delivery)
{
	Host *host = delivery->host;

	if (delivery->started != 0)
	{
		host->active--;
		host->moved = clock_now();
		host->last_duration = host->moved - delivery->started;
	}
	else
		remove_waiting(queue, delivery);
	host_check_ready(queue, host);
	held_remove(queue, delivery);
	queue->held--;
	queue->bytes -= delivery->size;
	free(delivery);
}

/* Notes that a lease was renewed. */
void
queue_extend_lease(Queue *queue, Delivery *delivery, Microseconds lease_end)
{
	held_remove(queue, delivery);
	delivery->lease_end = lease_end;
	held_insert(queue, delivery);
}

/* The held delivery whose lease ends first, or NULL; held_next leads on. */
Delivery *
queue_first_held(const Queue *queue)
{
	return queue->first_held;
}

/* How many deliveries wait for hosts that are slow. */
int
queue_waiting_for_slow(const Queue *queue, Microseconds now)
{
	int count = 0;

	for (const Host *host = host_next(queue->hosts, NULL); host != NULL;
		 host = host_next(queue->hosts, host))
		if (is_slow(host, queue->per_host, now))
			count += host->queued;
	return count;
}

/* How many deliveries are not started. */
int
queue_waiting(const Queue *queue)
{
	return queue->waiting;
}

/* How many deliveries are held, started or not. */
int
queue_held(const Queue *queue)
{
	return queue->held;
}

/* The memory that all of them take. */
size_t
queue_bytes(const Queue *queue)
{
	return queue->bytes;
}

/*
 * The host whose turn it is, or NULL. The more connections are in use, the fewer one host may have:
 * so several that hang leave some for the others, however many are allowed to each.
 */
static Host *
next_host(const Queue *queue)
{
	int left = queue->concurrency - (queue->held - queue->waiting);
	Host *host = queue->ready;

	if (host == NULL)
		return NULL;
	do
	{
		if (host->active < SHARE * left)
			return host;
		host = host->next;
	} while (host != queue->ready);
	return NULL;
}

/* Guesses how long a host needs for what waits, by its last answer, or the lack of one. */
static bool
is_slow(const Host *host, int per_host, Microseconds now)
{
	Microseconds silence = host->active > 0 ? now - host->moved : 0;
	Microseconds each = silence > host->last_duration ? silence : host->last_duration;

	return each * host->queued / per_host > SLOW;
}

/* Copies a row into one block. */
static Delivery *
delivery_create(const ClaimedRow *row)
{
	size_t id = strlen(row->id);
	size_t method = strlen(row->method);
	size_t url = strlen(row->url);
	size_t headers = strlen(row->headers);
	size_t size = sizeof(Delivery) + id + method + url + headers + row->body_length + 5;
	Delivery *delivery = memory_get(size);
	char *to = delivery->strings;

	memset(delivery, 0, sizeof(*delivery));
	delivery->size = size;
	delivery->attempt = row->attempt;
	delivery->confirm = row->confirm;
	delivery->id = copy_string(&to, row->id, id);
	delivery->method = copy_string(&to, row->method, method);
	delivery->url = copy_string(&to, row->url, url);
	delivery->headers = copy_string(&to, row->headers, headers);
	delivery->body = copy_string(&to, row->body, row->body_length);
	delivery->body_length = row->body_length;
	return delivery;
}

/* Copies to where the block is free, and closes with a NUL; returns the copy. */
static const char *
copy_string(char **to, const char *from, size_t length)
{
	char *copy = *to;

	memcpy(copy, from, length);
	copy[length] = '\0';
	*to += length + 1;
	return copy;
}

/* Puts a delivery into the list of all, by the end of its lease: nearly always that is last. */
static void
held_insert(Queue *queue, Delivery *delivery)
{
	Delivery *before = queue->last_held;

	while (before != NULL && before->lease_end > delivery->lease_end)
		before = before->held_previous;
	delivery->held_previous = before;
	delivery->held_next = before != NULL ? before->held_next : queue->first_held;
	if (delivery->held_next != NULL)
		delivery->held_next->held_previous = delivery;
	else
		queue->last_held = delivery;
	if (before != NULL)
		before->held_next = delivery;
	else
		queue->first_held = delivery;
}

static void
held_remove(Queue *queue, Delivery *delivery)
{
	if (delivery->held_previous != NULL)
		delivery->held_previous->held_next = delivery->held_next;
	else
		queue->first_held = delivery->held_next;
	if (delivery->held_next != NULL)
		delivery->held_next->held_previous = delivery->held_previous;
	else
		queue->last_held = delivery->held_previous;
}

/* Puts a host into the ring, last in turn, or takes it out, by whether it can start a request. */
static void
host_check_ready(Queue *queue, Host *host)
{
	bool ready = host->queued > 0 && host->active < queue->per_host;

	if (ready == host->ready)
		return;
	host->ready = ready;
	if (!ready)
	{
		host->next->previous = host->previous;
		host->previous->next = host->next;
		if (queue->ready == host)
			queue->ready = host->next != host ? host->next : NULL;
	}
	else if (queue->ready == NULL)
	{
		host->next = host->previous = host;
		queue->ready = host;
	}
	else
	{
		host->next = queue->ready;
		host->previous = queue->ready->previous;
		host->previous->next = host;
		host->next->previous = host;
	}
}

/* Takes a delivery out of its host's queue; it is the first one nearly always. */
static void
remove_waiting(Queue *queue, Delivery *delivery)
{
	Host *host = delivery->host;
	Delivery *previous = NULL;

	for (Delivery *at = host->first; at != delivery; at = at->next)
		previous = at;
	if (previous != NULL)
		previous->next = delivery->next;
	else
		host->first = delivery->next;
	if (host->last == delivery)
		host->last = previous;
	delivery->next = NULL;
	host->queued--;
	queue->waiting--;
}
