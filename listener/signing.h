/*
 * signing.h
 *		The signing keys, and signatures as Standard Webhooks defines them.
 */
#ifndef LISTENER_SIGNING_H
#define LISTENER_SIGNING_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

typedef struct SigningKeys SigningKeys;

/* The keys of one host; part of the SigningKeys that it came from. */
typedef struct HostKeys HostKeys;

extern SigningKeys *signing_keys_load(const char *path, Text *problem);
extern int signing_keys_count(const SigningKeys *keys);
extern void signing_keys_free(SigningKeys *keys);
extern const HostKeys *signing_keys_find(const SigningKeys *keys, const char *host);
extern void signing_append(Text *signature, const HostKeys *keys, const char *message,
						   size_t length);

#endif
