/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_CTL_EXPLAIN_H
#define XTR_CTL_EXPLAIN_H

/*
 * ctl_explain.h - what happens to a packet for an EID, and why.
 */
#include <jansson.h>

#include "xtr/xtr.h"

/*
 * Answers {"cmd":"explain","eid":"10.1.1.10"}.  Optional: "source", an address
 * of the same family; with it "flow", "tcp:40000:443" or a protocol alone.
 * Nothing changes by being asked: no lookup starts, no counter moves.
 *
 * One row, members as in xtrctl(8); "text" is the same in sentences.  NULL with
 * a literal in '*error' if the request cannot be answered.
 */
json_t *ctl_explain(struct xtr *, const json_t *request, const char **error);

#endif
