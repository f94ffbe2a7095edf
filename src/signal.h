/*
 * signal.h
 *	  Wakes the listeners when callbacks were queued.
 */
#ifndef DISPATCH_SIGNAL_H
#define DISPATCH_SIGNAL_H

extern void dispatch_signal_init(void);

#endif
