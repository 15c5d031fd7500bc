/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_PUBSUB_H
#define XTR_PUBSUB_H

/*
 * pubsub.h - the nonces of a subscription, as both ends count them.  RFC 9437 5,
 * 6: they begin anywhere in 64 bits, so they are compared as serial numbers
 * (RFC 1982).
 */
#include <stdbool.h>
#include <stdint.h>

/* 'a' is greater than 'b'. */
static inline bool
pubsub_nonce_after(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) > 0;
}

/* 'n' + 'step'; never 0, which stands for none. */
static inline uint64_t
pubsub_nonce_add(uint64_t n, uint64_t step)
{
	return n + step ? n + step : 1;
}

#endif
