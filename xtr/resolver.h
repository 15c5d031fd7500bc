/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_RESOLVER_H
#define XTR_RESOLVER_H

/*
 * resolver.h - which Map-Resolver is asked, and the Map-Request to it.
 * RFC 9301 5.2, 5.3, 5.8.
 *
 * The mapping system is the one whose EID space has the longest prefix around
 * the EID; where none has, those that our own prefix around it belongs to, then
 * all without an EID space, in the order of the file.  Inside a system the
 * Map-Resolver that answered last comes first, so that a dead one costs a second
 * once and not at every lookup.
 */
#include "common/msg.h"
#include "xtr/pending.h"
#include "xtr/xtr.h"

/* How many there are for this EID. */
unsigned resolver_count(const struct xtr *, const struct eid *);
/* Who is asked about 'eid' at the 'nth' sending of a question; NULL: nobody. */
const struct addr *
resolver_nth(const struct xtr *, const struct eid *eid, unsigned nth);
/* This one has answered. */
void resolver_answered(struct xtr *, const struct addr *);

/*
 * Sends the Map-Request of 'l' with a fresh nonce, the 'nth' sending of its
 * question (from 0): each goes to the next Map-Resolver.
 */
void resolver_ask(struct lookup *l, unsigned nth);
/* Sends 'm', which is about 'eid', to this Map-Resolver. */
void resolver_tell(struct xtr *, const struct addr *resolver,
    const struct eid *, const struct map_request *m);

#endif
