/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_ECHO_NONCE_H
#define XTR_ECHO_NONCE_H

/*
 * echo_nonce.h - a nonce in data packets that the other side sends back: the way
 * there and the way back work.  RFC 9300 10.1; for networks where everybody is
 * trusted.
 *
 * State: a struct echo per RLOC, part of the table of reach.h; what comes from an
 * RLOC that is not there leaves no trace.  We ask only where the Map-Reply had
 * the E bit.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/data.h"

enum {				  /* ours; RFC 9300 leaves them open */
	ECHO_INTERVAL_MS = 30000, /* between requests */
	ECHO_TIMEOUT_MS = 5000,	  /* without the echo, but with data: down */
	ECHO_SUSPEND_MS = 3000,	  /* when both ask at once */
};

struct echo {
	bool capable;	 /* E bit of its Map-Reply */
	bool requesting; /* 'nonce' is in every packet, with E */
	bool due;	 /* 'theirs' is to be sent back */
	uint32_t nonce, theirs;
	struct mono began; /* the request */
	struct mono next;  /* no request before */
	struct mono heard; /* data from there; 0 = none */
};

enum echo_verdict { ECHO_NOTHING, ECHO_WORKS, ECHO_FAILS };

/*
 * The header of a packet to the RLOC: sets N, E and nonce, if any.  'random' is
 * for a new request.
 */
enum echo_verdict echo_out(
    struct echo *, struct mono now, uint32_t random, struct data_header *h);
/* A packet from the RLOC. */
enum echo_verdict
echo_in(struct echo *, struct mono now, const struct data_header *h);

#endif
