/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CTL_JSON_H
#define COMMON_CTL_JSON_H

/*
 * ctl_json.h - addresses, EIDs, locators as JSON: the same in every row of the
 * control sockets and of xtrctl.  Each returns a new reference, NULL only if out
 * of memory.
 */
#include <jansson.h>

#include "addr.h"
#include "msg.h"

/* null if NULL or empty. */
json_t *ctl_json_text(const char *);
/* null if all zero. */
json_t *ctl_json_uuid(const uint8_t uuid[16]);
/* null if AFI_NONE. */
json_t *ctl_json_addr(const struct addr *);
/* As eid_str(). */
json_t *ctl_json_eid(const struct eid *);
/* As lisp_addr_str() and lisp_prefix_str(). */
json_t *ctl_json_lisp_addr(const struct lisp_addr *);
json_t *ctl_json_prefix(const struct lisp_addr *, unsigned bits);
/* {"rloc":"192.0.2.1","priority":1,"weight":100,"reachable":true} */
json_t *ctl_json_rloc(
    const struct addr *, unsigned priority, unsigned weight, bool reachable);
/* The same of an LCAF that no packet is sent to: with "used":false. */
json_t *ctl_json_unused(const struct lisp_addr *, unsigned priority,
    unsigned weight, bool reachable);
/* An array of those; an RLOC that is an LCAF is as lisp_addr_str() has it. */
json_t *ctl_json_locators(const struct mapping *);

/*
 * What a map-cache does with packets for a record of that many locators and
 * that action: "encapsulate", "natively-forward", "drop", ...
 */
const char *ctl_action_str(unsigned n_locators, uint8_t action);

#endif
