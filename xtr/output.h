/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_OUTPUT_H
#define XTR_OUTPUT_H

/*
 * output.h - control messages out.
 *
 * Nothing leaves before the store has been committed: output_send() queues,
 * output_flush() runs at the end of a turn of the loop, after store_commit(),
 * with sendmmsg.  So a generation is on disk before its Ack is on the wire.
 * The queue holds OUTPUT_QUEUE_MAX octets; beyond, messages are dropped and
 * counted (each one that matters is repeated by its owner).
 */
#include <stdint.h>

#include "common/auth.h"
#include "common/msg.h"
#include "xtr/xtr.h"

#define OUTPUT_QUEUE_MAX (64u << 20)

/* NULL if out of memory.  The sockets are those of input.c. */
struct output *output_new(struct xtr *);
void output_free(struct output *); /* accepts NULL */

/*
 * Sends 'len' octets from UDP port 4342 to 'to' port 'port'.  'from' chooses
 * the source address, NULL: the kernel's choice.  Copies.
 */
void output_send(struct xtr *, const struct addr *from, const struct addr *to,
    uint16_t port, const uint8_t *bytes, size_t len);

/*
 * The same, as the payload of an ECM (RFC 9301 5.8) to 'to' port 4342.  Inner
 * header: 'inner_from' port 4342 -> 'inner_to' port 4342, one family.
 */
void output_ecm(struct xtr *, const struct addr *to,
    const struct addr *inner_from, const struct addr *inner_to,
    uint16_t inner_source_port, const uint8_t *bytes, size_t len);

/* Sends what is queued / throws it away (the store could not be written). */
void output_flush(struct xtr *);
void output_drop(struct xtr *);
/* Makes input_turn_end() run soon; output_send() and store writers call it. */
void output_arm(struct xtr *);

/*
 * For tests: 'fn' gets every message instead of the sockets, at flush.
 */
void output_divert(struct xtr *,
    void (*fn)(void *arg, const struct addr *to, uint16_t port,
	const uint8_t *bytes, size_t len),
    void *arg);

/*
 * Acknowledges the Map-Notify 'm' in 'dg': same nonce, same records, our MAC
 * with 'key' (RFC 9301 5.7, RFC 9437 5).
 */
void output_map_notify_ack(struct xtr *, const struct datagram *dg,
    const struct map_notify *m, const struct auth_key *key);

#endif
