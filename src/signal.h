/*
 * signal.h
 *	  Wakes the listeners when callbacks were queued, if any of them sleeps.
 */
#ifndef DISPATCH_SIGNAL_H
#define DISPATCH_SIGNAL_H

#include "postgres.h"

#include "utils/guc.h"

/* dispatch.notify, and its values. */
extern int dispatch_notify;
extern const struct config_enum_entry dispatch_notify_options[];

extern void dispatch_signal_init(void);
extern void dispatch_signal(void);
extern void dispatch_fall_asleep(void);
extern void dispatch_wake_up(void);

#endif
