/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_DP_ROUTES_H
#define XTR_DP_ROUTES_H

/*
 * dp_routes.h - the routes and rules that lead EID traffic to the LISP device,
 * and keep it from the underlay when the device is gone.
 *
 * In the main table: each mobile prefix to the device (host routes of local
 * EIDs are longer), an unreachable back-stop of high metric behind it and
 * behind each static EID prefix of ours.  Then, with conf->itr.eid_space: each
 * of its prefixes to the device, and a back-stop.  Without it: rules for what
 * comes from an EID of ours, main table without its default route, then
 * conf->dataplane.table, where the default is the device with a back-stop.
 */
#include "xtr/conf.h"
#include "xtr/route.h"

#define DP_RULE_MAIN 4341  /* priority of: main without its default */
#define DP_RULE_TABLE 4342 /* priority of: our table */

/*
 * Sets what the configuration needs, then removes what an earlier one left.
 * ERR_IO; what could be set stays.
 */
enum err
dp_routes_set(struct route *, const struct xtr_conf *, int device) MUST_USE;

/* Every route and rule with ROUTE_PROTO. */
enum err dp_routes_remove(struct route *) MUST_USE;

#endif
