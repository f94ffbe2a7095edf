/*
 * memory.h
 *		Allocation that does not fail: a listener out of memory ends, and the leases that it held
 * pass.
 */
#ifndef LISTENER_MEMORY_H
#define LISTENER_MEMORY_H

#include <stddef.h>

extern void *memory_get(size_t size);
extern void *memory_get_zeroed(size_t size);
extern void *memory_resize(void *old, size_t size);
extern char *memory_copy_text(const char *text);
extern void memory_exhausted(void) __attribute__((noreturn));

#endif
