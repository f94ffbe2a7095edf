/*
 * custom_data.c
 *	  Custom data of dispatches: validated, completed by defaults, patched.
 */
#include "postgres.h"

#include "custom_data.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "builder.h"
#include "compat.h"
#include "document.h"
#include "error.h"
#include "slot.h"
#include "validator.h"

/*
 * 54000: a search for a pattern took more than it may.
 */
static void
error_limit(const DispatchType *type, const DispatchAttribute *attribute)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("the search for the pattern of attribute \"%.*s\" of dispatch type \"%s\" "
					"exceeded its limits",
					attribute->name.length, attribute->name.data, type->name),
			 errdetail("The pattern is \"%s\".",
					   dispatch_cut(pnstrdup(attribute->pattern_source.data,
											 attribute->pattern_source.length))),
			 errhint("Write the pattern so that it backtracks less, or anchor it.")));
}

/*
 * Runs a type's program over custom data, an object; 54000 where a pattern
 * exceeds its limits.
 */
static DispatchVerdict
run(const DispatchType *type, const Jsonb *data, DispatchFindings *findings)
{
	DispatchVerdict verdict = dispatch_program_run(&type->program, &data->root, findings);

	if (verdict == DISPATCH_LIMIT)
		error_limit(type, findings->exceeding);
	return verdict;
}

/*
 * Whether custom data fits the attributes of a type. Raises 54000 only.
 */
bool
dispatch_custom_data_is_valid(const DispatchType *type, const Jsonb *data)
{
	DispatchFindings findings = { .collect = false };

	return JB_ROOT_IS_OBJECT((Jsonb *) data) && run(type, data, &findings) == DISPATCH_VALID;
}

/*
 * What in custom data breaks the attributes of a type, as a list of up to
 * DISPATCH_MAX_VIOLATIONS DispatchViolation in the current context. Raises
 * 54000 only.
 */
List *
dispatch_custom_data_violations(const DispatchType *type, const Jsonb *data)
{
	DispatchFindings findings = { .collect = true };
	DispatchValue root = dispatch_root(data);

	if (root.kind != DISPATCH_OBJECT)
	{
		DispatchViolation *violation = palloc0(sizeof(DispatchViolation));

		violation->rule = "dataType";
		violation->message = psprintf("custom data must be of type object, but is of type %s",
									  dispatch_kind_name(root.kind));
		return list_make1(violation);
	}
	(void) run(type, data, &findings);
	return findings.violations;
}

/*
 * All that breaks the attributes of a type, one a line, in the current context.
 * 54000.
 */
char *
dispatch_custom_data_faults(const DispatchType *type, const Jsonb *data)
{
	List *violations = dispatch_custom_data_violations(type, data);
	StringInfoData detail;
	ListCell *cell;

	initStringInfo(&detail);
	foreach (cell, violations)
	{
		CHECK_FOR_INTERRUPTS();
		if (detail.len > 0)
			appendStringInfoChar(&detail, '\n');
		appendStringInfo(&detail, "%s.", ((DispatchViolation *) lfirst(cell))->message);
	}
	if (list_length(violations) >= DISPATCH_MAX_VIOLATIONS)
		appendStringInfoString(&detail, "\nThere may be more.");
	return detail.data;
}

/*
 * 23514: custom data breaks its attributes; the DETAIL lists all violations.
 */
static void
error_invalid(const DispatchType *type, const Jsonb *data)
{
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("custom data breaks the attributes of dispatch type \"%s\"", type->name),
					errdetail_internal("%s", dispatch_custom_data_faults(type, data)),
					err_generic_string(PG_DIAG_SCHEMA_NAME, "dispatch"),
					err_generic_string(PG_DIAG_TABLE_NAME, "dispatches"),
					err_generic_string(PG_DIAG_COLUMN_NAME, "custom_data")));
}

/*
 * Validates custom data and fills in the defaults of what is absent. Returns
 * the given document where nothing was to be filled in. 22023: not an object;
 * 23514: breaks its attributes; 54000: a pattern exceeded its limits.
 */
Jsonb *
dispatch_custom_data_complete(const DispatchType *type, Jsonb *data)
{
	DispatchFindings findings = { .collect = false };

	dispatch_check_object("custom data", data);
	if (run(type, data, &findings) != DISPATCH_VALID)
		error_invalid(type, data);
	if (!findings.defaults_missing)
		return data;
	return DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(type->defaults), JsonbPGetDatum(data)));
}

/*
 * Sets keys, as many as there are slots, to those of what custom data, an object,
 * holds for the indexed attributes; NULL where it holds nothing, or an object or array.
 */
void
dispatch_custom_data_keys(const DispatchType *type, const Jsonb *data, bytea **keys)
{
	DispatchWalk walk = dispatch_walk(&data->root);
	DispatchKey name;
	DispatchValue value;

	memset(keys, 0, DISPATCH_MAX_INDEXED * sizeof(bytea *));
	while (type->slots[0] != NULL && dispatch_walk_member(&walk, &name, &value))
		for (int i = 0; i < DISPATCH_MAX_INDEXED && type->slots[i] != NULL; i++)
			if (dispatch_key_compare(name.data, name.length, type->slots[i]->name.data,
									 type->slots[i]->name.length) == 0)
				keys[i] = dispatch_slot_key(&type->id, &value);
}

static void merge_members(JsonbParseState **state, const JsonbContainer *target,
						  const JsonbContainer *patch);

/*
 * Pushes what a member becomes under a patch; target is NULL where the member
 * is new.
 */
static void
merge_member(JsonbParseState **state, const DispatchKey *name, const DispatchValue *target,
			 const DispatchValue *patch)
{
	JsonbValue key;

	if (patch->kind == DISPATCH_NULL)
		return;
	if (patch->kind != DISPATCH_OBJECT)
	{
		dispatch_push_member(state, name, patch);
		return;
	}
	key.type = jbvString;
	key.val.string.val = (char *) name->data;
	key.val.string.len = name->length;
	(void) pushJsonbValue(state, WJB_KEY, &key);
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	merge_members(state,
				  target != NULL && target->kind == DISPATCH_OBJECT ? target->as.container : NULL,
				  patch->as.container);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Pushes the members of an object, NULL for none, under a patch: one walk over
 * both, which are in the same order.
 */
static void
merge_members(JsonbParseState **state, const JsonbContainer *target, const JsonbContainer *patch)
{
	DispatchWalk patch_walk = dispatch_walk(patch);
	DispatchWalk target_walk;
	DispatchKey target_key;
	DispatchKey patch_key;
	DispatchValue target_value;
	DispatchValue patch_value;
	bool in_target = false;
	bool in_patch = dispatch_walk_member(&patch_walk, &patch_key, &patch_value);

	check_stack_depth();
	if (target != NULL)
	{
		target_walk = dispatch_walk(target);
		in_target = dispatch_walk_member(&target_walk, &target_key, &target_value);
	}
	while (in_target || in_patch)
	{
		int order = !in_patch    ? -1
					: !in_target ? 1
								 : dispatch_key_compare(target_key.data, target_key.length,
														patch_key.data, patch_key.length);

		if (order < 0)
			dispatch_push_member(state, &target_key, &target_value);
		else
			merge_member(state, &patch_key, order == 0 ? &target_value : NULL, &patch_value);
		if (order <= 0)
			in_target = dispatch_walk_member(&target_walk, &target_key, &target_value);
		if (order >= 0)
			in_patch = dispatch_walk_member(&patch_walk, &patch_key, &patch_value);
	}
}

PG_FUNCTION_INFO_V1(dispatch_merge_patch);

/*
 * merge_patch(target jsonb, patch jsonb) → jsonb: RFC 7396.
 */
Datum
dispatch_merge_patch(PG_FUNCTION_ARGS)
{
	DispatchValue target = dispatch_root(PG_GETARG_JSONB_P(0));
	Jsonb *patch_document = PG_GETARG_JSONB_P(1);
	DispatchValue patch = dispatch_root(patch_document);
	JsonbParseState *state = NULL;

	if (patch.kind != DISPATCH_OBJECT)
		PG_RETURN_JSONB_P(patch_document);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	merge_members(&state, target.kind == DISPATCH_OBJECT ? target.as.container : NULL,
				  patch.as.container);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
