/*
 * server.h
 *	  The server's functions, in a program of its own.
 */
#ifndef DISPATCH_FUZZ_SERVER_H
#define DISPATCH_FUZZ_SERVER_H

#include "postgres.h"

extern void fuzz_begin(int encoding);
extern int fuzz_try(void (*function)(void *), void *argument);
extern void fuzz_require(bool holds, const char *what);

/* What libFuzzer calls. */
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
