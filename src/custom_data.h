/*
 * custom_data.h
 *	  Custom data of dispatches: validated, completed, patched.
 */
#ifndef DISPATCH_CUSTOM_DATA_H
#define DISPATCH_CUSTOM_DATA_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "type_cache.h"
#include "utils/jsonb.h"

extern bool dispatch_custom_data_is_valid(const DispatchType *type, const Jsonb *data);
extern List *dispatch_custom_data_violations(const DispatchType *type, const Jsonb *data);
extern char *dispatch_custom_data_faults(const DispatchType *type, const Jsonb *data);
extern void dispatch_custom_data_keys(const DispatchType *type, const Jsonb *data, bytea **keys);
extern Jsonb *dispatch_custom_data_complete(const DispatchType *type, Jsonb *data);

#endif
