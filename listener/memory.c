/*
 * memory.c
 *		Allocation that does not fail.
 */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Ends the program. Nothing is lost by it: what was claimed and not finished is sent again when its
 * lease has passed. Says so without allocating.
 */
void
memory_exhausted(void)
{
	static const char message[] = "level=error event=out_of_memory\n";

	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		_exit(1);
	_exit(1);
}

/* Memory with undefined content; the caller frees it. */
void *
memory_get(size_t size)
{
	void *memory = malloc(size);

	if (memory == NULL)
		memory_exhausted();
	return memory;
}

/* Memory full of zeros; the caller frees it. */
void *
memory_get_zeroed(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		memory_exhausted();
	return memory;
}

/* realloc; the caller frees the result and forgets the old. */
void *
memory_resize(void *old, size_t size)
{
	void *memory = realloc(old, size);

	if (memory == NULL)
		memory_exhausted();
	return memory;
}

/* A copy of a string; the caller frees it. */
char *
memory_copy_text(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(memory_get(size), text, size);
}
