/*
 * document.h
 *	  Walks jsonb documents where they lie: no copy, no allocation.
 */
#ifndef DISPATCH_DOCUMENT_H
#define DISPATCH_DOCUMENT_H

#include "postgres.h"

#include "utils/jsonb.h"

typedef enum DispatchKind
{
	DISPATCH_NULL,
	DISPATCH_STRING,
	DISPATCH_NUMBER,
	DISPATCH_BOOLEAN,
	DISPATCH_OBJECT,
	DISPATCH_ARRAY
} DispatchKind;

/* A value of a document; what it points to stays in the document. */
typedef struct DispatchValue
{
	DispatchKind kind;
	int length; /* in bytes, of a string, object or array */
	union
	{
		const char *string; /* in the server's encoding, no NUL at its end */
		Numeric number;
		bool boolean;
		const JsonbContainer *container; /* object or array */
	} as;
} DispatchValue;

/* A walk over the members of an object, in the order of their keys, or over an array. */
typedef struct DispatchWalk
{
	const JsonbContainer *container;
	const char *base; /* where the offsets count from */
	int count;        /* of members or elements */
	int next;
	uint32 key_offset;
	uint32 value_offset;
	bool object;
} DispatchWalk;

/* A member's name, not copied. */
typedef struct DispatchKey
{
	const char *data;
	int length;
} DispatchKey;

extern DispatchValue dispatch_root(const Jsonb *document);
extern DispatchWalk dispatch_walk(const JsonbContainer *container);
extern bool dispatch_walk_member(DispatchWalk *walk, DispatchKey *key, DispatchValue *value);
extern bool dispatch_walk_element(DispatchWalk *walk, DispatchValue *value);
extern bool dispatch_find(const JsonbContainer *object, const char *name, DispatchValue *value);
extern int dispatch_key_compare(const char *a, int alen, const char *b, int blen);
extern bool dispatch_value_equal(const DispatchValue *a, const DispatchValue *b);
extern const char *dispatch_kind_name(DispatchKind kind);

extern const char *dispatch_utf8(const char *string, int *length);
extern char *dispatch_value_string(const DispatchValue *value);
extern char *dispatch_value_text(const DispatchValue *value);
extern JsonbValue dispatch_value_jsonb(const DispatchValue *value);
extern Jsonb *dispatch_value_document(const DispatchValue *value);
extern Jsonb *dispatch_copy_document(const Jsonb *document, MemoryContext context);

#endif
