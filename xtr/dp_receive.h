/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_DP_RECEIVE_H
#define XTR_DP_RECEIVE_H

/*
 * dp_receive.h - encapsulated packets in: UDP 4341 on conf->listen, in batches
 * of DP_RECEIVE_BATCH, at most DP_RECEIVE_TURN packets per turn of the loop.
 */
#include "xtr/dp_send.h"
#include "xtr/forward.h"
#include "xtr/xtr.h"

#define DP_RECEIVE_BATCH 32
#define DP_RECEIVE_TURN 256

struct dp_receive;

/*
 * Each packet goes to forward_in(); what it sends is batched in 'send', which
 * is borrowed.  ERR_IO after logging why.
 */
enum err dp_receive_new(
    struct xtr *, struct dp_send *send, struct dp_receive **out) MUST_USE;
void dp_receive_free(struct dp_receive *); /* accepts NULL */

#endif
