/*
 * failed.h
 *		The callbacks that failed, and were not delivered since.
 */
#ifndef LISTENER_FAILED_H
#define LISTENER_FAILED_H

#include <stdbool.h>

typedef struct Failed Failed;

extern Failed *failed_create(void);
extern void failed_free(Failed *failed);
extern void failed_note(Failed *failed, const char *id, bool settled);
extern int failed_count(const Failed *failed);

#endif
