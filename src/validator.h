/*
 * validator.h
 *	  Validates a document by the attributes of a type.
 */
#ifndef DISPATCH_VALIDATOR_H
#define DISPATCH_VALIDATOR_H

#include "postgres.h"

#include "attribute.h"
#include "document.h"
#include "nodes/pg_list.h"

/* The compiled form of a type's attributes. */
typedef struct DispatchProgram
{
	bool additional; /* members that no attribute describes are allowed */
	int nattributes;
	int ndefaults;
	DispatchAttribute *attributes; /* in the order in which jsonb keeps keys */
} DispatchProgram;

/* One thing in a document that breaks an attribute. */
typedef struct DispatchViolation
{
	const char *attribute;
	const char *rule;
	const char *message;
} DispatchViolation;

typedef enum DispatchVerdict
{
	DISPATCH_VALID,
	DISPATCH_INVALID,
	DISPATCH_LIMIT /* a pattern's search exceeded its limits */
} DispatchVerdict;

/* How many violations are collected at most. */
#define DISPATCH_MAX_VIOLATIONS 20000

/* What a look at a document found. */
typedef struct DispatchFindings
{
	bool collect;                       /* asks for all violations */
	List *violations;                   /* of DispatchViolation, where asked for */
	bool defaults_missing;              /* an attribute with a default is absent */
	const DispatchAttribute *exceeding; /* whose pattern exceeded its limits */
} DispatchFindings;

extern void dispatch_program_sort(DispatchProgram *program);
extern DispatchVerdict dispatch_program_run(const DispatchProgram *program,
											const JsonbContainer *document,
											DispatchFindings *findings);
extern DispatchVerdict dispatch_value_check(const DispatchAttribute *attribute,
											const DispatchValue *value, DispatchFindings *findings);

#endif
