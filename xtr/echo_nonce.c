/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo_nonce.c - the states of echo-nonce, pure.
 *
 * signs.c calls for each packet and tells reach.c the verdict.  Idle: a request
 * begins with the first packet after ECHO_INTERVAL_MS.  Requesting: ends by the
 * echo (works), after ECHO_TIMEOUT_MS (fails, if data came meanwhile; silence of
 * the other side says nothing, RFC 9300 10), or by a request of the other side,
 * which goes first.
 */
#include "echo_nonce.h"

static void
end(struct echo *e, struct mono now, int64_t pause_ms)
{
	e->requesting = false;
	e->next = mono_add_ms(now, pause_ms);
}

/* Whether the time for the echo is over, and what that means. */
static enum echo_verdict
timed_out(struct echo *e, struct mono now)
{
	const bool heard = !mono_before(e->heard, e->began);

	if (!e->requesting ||
	    mono_before(now, mono_add_ms(e->began, ECHO_TIMEOUT_MS)))
		return ECHO_NOTHING;
	end(e, now, ECHO_INTERVAL_MS);
	return heard ? ECHO_FAILS : ECHO_NOTHING;
}

static void
put(struct data_header *h, uint32_t nonce, bool request)
{
	h->has_nonce = true;
	h->nonce = nonce;
	h->echo = request;
}

enum echo_verdict
echo_out(
    struct echo *e, struct mono now, uint32_t random, struct data_header *h)
{
	const enum echo_verdict verdict = timed_out(e, now);

	if (e->due) {
		e->due = false;
		put(h, e->theirs, false);
		return verdict;
	}
	if (!e->capable)
		return verdict;
	if (!e->requesting && !mono_before(now, e->next)) {
		e->requesting = true;
		e->began = now;
		e->nonce = random & 0xffffff;
	}
	if (e->requesting)
		put(h, e->nonce, true);
	return verdict;
}

enum echo_verdict
echo_in(struct echo *e, struct mono now, const struct data_header *h)
{
	e->heard = now;
	if (h->has_nonce && h->echo) {
		e->theirs = h->nonce;
		e->due = true;
		if (e->requesting)
			end(e, now, ECHO_SUSPEND_MS);
		return ECHO_NOTHING;
	}
	if (h->has_nonce && e->requesting && h->nonce == e->nonce) {
		end(e, now, ECHO_INTERVAL_MS);
		return ECHO_WORKS;
	}
	return timed_out(e, now);
}
