/*
 * options.h
 *		The command line.
 */
#ifndef LISTENER_OPTIONS_H
#define LISTENER_OPTIONS_H

#include <stdbool.h>

#include "address.h"
#include "clock.h"

typedef struct Options
{
	const char *dbname; /* a conninfo string or the name of a database; NULL: PG environment */
	int concurrency;
	int per_host;
	int batch;
	Microseconds timeout;
	Microseconds lease;
	Microseconds poll;
	NetworkList allowed;
	const char *signing_keys;
	const char *ca_file;
	const char *http; /* ADDRESS:PORT, or NULL */
	bool once;
} Options;

/* The exit codes, as --help states them. */
#define EXIT_CLEAN 0
#define EXIT_TROUBLE 1
#define EXIT_USAGE 2

extern void options_parse(Options *options, int argc, char **argv);
extern void options_free(Options *options);

#endif
