/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_LIG_H
#define XTR_LIG_H

/*
 * lig.h - asks a Map-Resolver about an EID, as RFC 6835 "lig" does.
 */
#include <jansson.h>

#include "common/addr.h"
#include "common/err.h"

enum { LIG_TRIES = 3, LIG_WAIT_MS = 1000, LIG_ADDRESSES_MAX = 8 };

struct lig_question {
	struct eid eid;
	struct eid source; /* Source-EID; AFI_NONE: none */
	struct addr resolver;
};

/*
 * Sends a Map-Request in an ECM to the resolver (RFC 9301 5.2, 5.8) from a UDP
 * port of its own, LIG_TRIES times, LIG_WAIT_MS apart, until a Map-Reply comes.
 * ITR-RLOCs are the source address towards the resolver and, if the host has a
 * route in the other family, one of that: an ETR may have only one of them.
 *
 * '*rows' gets one row per record of the reply, a new reference.
 * ERR_NOT_FOUND: nobody answered; errno is what the network said, or 0.
 * ERR_IO: cannot send, errno says why.
 */
enum err lig_ask(const struct lig_question *, json_t **rows) MUST_USE;

/*
 * The addresses of an address or a host name, at most LIG_ADDRESSES_MAX; 0 with
 * '*error' set to a sentence if there are none.
 */
unsigned lig_resolve(
    const char *name, struct addr out[LIG_ADDRESSES_MAX], const char **error);

#endif
