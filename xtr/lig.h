/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_LIG_H
#define XTR_LIG_H

/*
 * lig.h - asks a Map-Resolver about an EID, as RFC 6835 "lig" does.
 */
#include <jansson.h>

#include "common/addr.h"
#include "common/err.h"

enum { LIG_TRIES = 3, LIG_WAIT_MS = 1000 };

/*
 * Sends a Map-Request for 'eid' in an ECM to 'resolver' (RFC 9301 5.2, 5.8)
 * from a UDP port of its own, LIG_TRIES times, LIG_WAIT_MS apart, until a
 * Map-Reply comes.  The ITR-RLOC is the source address towards the resolver.
 * '*rows' gets one row per record of the reply, a new reference.
 * ERR_NOT_FOUND: nobody answered.  ERR_IO: cannot send, errno says why.
 */
enum err lig_ask(
    const struct eid *eid, const struct addr *resolver, json_t **rows) MUST_USE;

#endif
