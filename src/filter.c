/*
 * filter.c
 *	  What a search asks of the indexed attributes of a type.
 *
 * A filter is an object: {"zone": "north", "weightKg": {"gte": 5, "lt": 10}}. A
 * value means equality; an object, one or more comparisons, each with a string
 * or number, of which all must hold. Values of different kinds are never equal
 * nor in an order.
 */
#include "postgres.h"

#include "filter.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "document.h"
#include "error.h"

#define FILTER "filter"

/* The names of comparisons. */
static const struct
{
	const char *name;
	DispatchComparison comparison;
} comparisons[] = {
	{ "eq", DISPATCH_EQUAL }, { "gt", DISPATCH_GREATER },     { "gte", DISPATCH_GREATER_EQUAL },
	{ "lt", DISPATCH_LESS },  { "lte", DISPATCH_LESS_EQUAL },
};

/*
 * The comparison of a name; false where there is none.
 */
static bool
find_comparison(const DispatchKey *name, DispatchComparison *comparison)
{
	for (int i = 0; i < (int) lengthof(comparisons); i++)
		if (dispatch_key_compare(name->data, name->length, comparisons[i].name,
								 (int) strlen(comparisons[i].name)) == 0)
		{
			*comparison = comparisons[i].comparison;
			return true;
		}
	return false;
}

/*
 * The indexed attribute of a name; 22023.
 */
static const DispatchAttribute *
find_attribute(const DispatchType *type, const DispatchKey *name)
{
	const char *shown = dispatch_cut(pnstrdup(name->data, name->length));

	for (int i = 0; i < type->program.nattributes; i++)
	{
		const DispatchAttribute *attribute = &type->program.attributes[i];

		if (dispatch_key_compare(attribute->name.data, attribute->name.length, name->data,
								 name->length) != 0)
			continue;
		if (attribute->slot > 0)
			return attribute;
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("attribute \"%s\" of dispatch type \"%s\" is not indexed", shown,
							   type->name),
						errhint("Only attributes that were created with \"indexed\": true can be "
								"searched by.")));
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("dispatch type \"%s\" has no attribute \"%s\"", type->name, shown)));
	return NULL;
}

static int
compare_keys(const bytea *a, const bytea *b)
{
	int length_a = VARSIZE(a) - VARHDRSZ;
	int length_b = VARSIZE(b) - VARHDRSZ;
	int order = memcmp(VARDATA(a), VARDATA(b), Min(length_a, length_b));

	return order != 0 ? order : length_a - length_b;
}

/*
 * Narrows a condition by one comparison; 22023 where the value cannot be compared so.
 */
static void
narrow(const DispatchType *type, const DispatchAttribute *attribute, DispatchComparison comparison,
	   const DispatchValue *value, DispatchCondition *condition)
{
	bool ordered = value->kind == DISPATCH_STRING || value->kind == DISPATCH_NUMBER;
	bool scalar = value->kind != DISPATCH_OBJECT && value->kind != DISPATCH_ARRAY;
	DispatchSlotRange range;

	if (!(comparison == DISPATCH_EQUAL ? scalar : ordered))
		dispatch_error_malformed(FILTER, "\"%.*s\" cannot be compared so with a value of type %s.",
								 attribute->name.length, attribute->name.data,
								 dispatch_kind_name(value->kind));
	range = dispatch_slot_range(&type->id, comparison, value);
	if (condition->range.first == NULL || compare_keys(range.first, condition->range.first) > 0)
		condition->range.first = range.first;
	if (condition->range.last == NULL || compare_keys(range.last, condition->range.last) < 0)
		condition->range.last = range.last;
	condition->range.inexact = condition->range.inexact || range.inexact;
	condition->one = condition->one || comparison == DISPATCH_EQUAL;
}

/*
 * Reads the comparisons of one attribute; 22023.
 */
static void
read_comparisons(const DispatchType *type, const DispatchAttribute *attribute,
				 const DispatchValue *given, DispatchCondition *condition)
{
	DispatchWalk walk = dispatch_walk(given->as.container);
	DispatchComparison comparison;
	DispatchKey name;
	DispatchValue value;

	if (walk.count == 0)
		dispatch_error_malformed(FILTER, "\"%.*s\" is compared with nothing.",
								 attribute->name.length, attribute->name.data);
	while (dispatch_walk_member(&walk, &name, &value))
	{
		if (!find_comparison(&name, &comparison))
			dispatch_error_malformed(FILTER,
									 "\"%.*s\" is compared by \"%s\"; there are eq, gt, gte, lt "
									 "and lte.",
									 attribute->name.length, attribute->name.data,
									 dispatch_cut(pnstrdup(name.data, name.length)));
		narrow(type, attribute, comparison, &value, condition);
	}
}

/*
 * Reads a filter for a dispatch type. 22023: malformed, an attribute that the
 * type lacks or that is not indexed, an unknown comparison, a value that cannot
 * be compared so.
 */
void
dispatch_filter_parse(const DispatchType *type, const Jsonb *document, DispatchFilter *filter)
{
	DispatchWalk walk;
	DispatchKey name;
	DispatchValue value;

	memset(filter, 0, sizeof(*filter));
	dispatch_check_object(FILTER, document);
	walk = dispatch_walk(&document->root);
	while (dispatch_walk_member(&walk, &name, &value))
	{
		const DispatchAttribute *attribute = find_attribute(type, &name);
		DispatchCondition *condition = &filter->conditions[filter->count++];

		condition->slot = attribute->slot - 1;
		if (value.kind == DISPATCH_OBJECT)
			read_comparisons(type, attribute, &value, condition);
		else
			narrow(type, attribute, DISPATCH_EQUAL, &value, condition);
		filter->inexact = filter->inexact || condition->range.inexact;
		filter->nothing =
			filter->nothing || compare_keys(condition->range.first, condition->range.last) >= 0;
	}
}

/*
 * Whether a value fits what a filter, which was read before, says of it.
 */
static bool
value_fits(const DispatchValue *value, const DispatchValue *asked)
{
	DispatchWalk walk;
	DispatchComparison comparison;
	DispatchKey name;
	DispatchValue operand;

	if (asked->kind != DISPATCH_OBJECT)
		return dispatch_slot_compare(value, DISPATCH_EQUAL, asked);
	walk = dispatch_walk(asked->as.container);
	while (dispatch_walk_member(&walk, &name, &operand))
		if (!find_comparison(&name, &comparison) ||
			!dispatch_slot_compare(value, comparison, &operand))
			return false;
	return true;
}

PG_FUNCTION_INFO_V1(dispatch_fits);

/*
 * fits(custom_data jsonb, filter jsonb) → boolean: whether custom data fits a
 * filter that was checked; for values too long to be whole in a slot.
 */
Datum
dispatch_fits(PG_FUNCTION_ARGS)
{
	Jsonb *data = PG_GETARG_JSONB_P(0);
	Jsonb *filter = PG_GETARG_JSONB_P(1);
	DispatchWalk walk;
	DispatchKey name;
	DispatchValue asked;
	DispatchValue value;

	dispatch_check_object("custom data", data);
	dispatch_check_object(FILTER, filter);
	walk = dispatch_walk(&filter->root);
	while (dispatch_walk_member(&walk, &name, &asked))
		if (!dispatch_find(&data->root, pnstrdup(name.data, name.length), &value) ||
			!value_fits(&value, &asked))
			PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(true);
}
