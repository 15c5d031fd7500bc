/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_INPUT_H
#define XTR_INPUT_H

/*
 * input.h - control datagrams in: decode, authenticate, dispatch, count, log.
 */
#include "xtr/xtr.h"

/* Opens UDP 4342 on conf->listen.  ERR_IO after logging why. */
enum err input_start(struct xtr *) MUST_USE;
void input_stop(struct xtr *);

/* The control socket of this family for output.c, or -1. */
int input_fd(const struct xtr *, uint16_t afi);

/*
 * One datagram through its handler; counts it in counters.rx and logs a
 * refusal (rate-limited).  Called by the sockets and by tests.
 */
enum err input_datagram(struct xtr *, const struct datagram *);

/*
 * End of a turn: commits the store, then flushes the output.  Also runs by
 * itself after any timer that sent something (output_send() arms it).
 */
void input_turn_end(struct xtr *);

/* Name of a 4-bit message type, for counters and people. */
const char *input_type_str(unsigned type);

#endif
