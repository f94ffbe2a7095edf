/*
 * claim.h
 *	  Callbacks leased to listeners.
 */
#ifndef DISPATCH_CLAIM_H
#define DISPATCH_CLAIM_H

#include "postgres.h"

extern void dispatch_claim_init(void);

#endif
