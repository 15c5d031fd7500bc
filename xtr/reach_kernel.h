/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REACH_KERNEL_H
#define XTR_REACH_KERNEL_H

/*
 * reach_kernel.h - what the kernel knows about RLOCs: whether our own have an
 * interface that is up, whether there is a route to those of others.  RFC 9301
 * 7 (2).
 *
 * Its only state is the list of a sweep under way: REACH_MAX + REACH_SPARE
 * addresses at most, KERNEL_TURN of them asked for in one turn of the loop.  A
 * sweep begins KERNEL_SETTLE_MS after the first event, and KERNEL_PAUSE_MS after
 * the one before at the earliest, however many events there are.
 */
#include "xtr/reach.h"

enum {
	KERNEL_SETTLE_MS = 10,
	KERNEL_PAUSE_MS = 200,
	KERNEL_TURN = 512,
};

struct reach_kernel;

/* x->route is open; the first sweep is done.  NULL if out of memory. */
struct reach_kernel *reach_kernel_new(struct xtr *);
void reach_kernel_free(struct reach_kernel *); /* accepts NULL */

/* An interface, an address or a route changed, or the configuration. */
void reach_kernel_changed(struct xtr *);
/* 'r' is new: one that nothing leads to is down from the start. */
void reach_kernel_added(struct reach_rloc *r);

#endif
