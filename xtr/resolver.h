/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_RESOLVER_H
#define XTR_RESOLVER_H

/*
 * resolver.h - which Map-Resolver is asked, and the Map-Request to it.
 * RFC 9301 5.2, 5.3, 5.8.
 *
 * All Map-Resolvers of the configuration, mapping system by mapping system; for
 * an EID in a prefix of ours its own mapping system comes first.  Inside a
 * system the one that answered last comes first, so that a dead one costs a
 * second once and not at every lookup.
 */
#include "xtr/pending.h"
#include "xtr/xtr.h"

/* How many there are. */
unsigned resolver_count(const struct xtr *);
/* This one has answered. */
void resolver_answered(struct xtr *, const struct addr *);

/*
 * Sends the Map-Request of 'l' with a fresh nonce, the 'nth' sending of its
 * question (from 0): each goes to the next Map-Resolver.
 */
void resolver_ask(struct lookup *l, unsigned nth);

#endif
