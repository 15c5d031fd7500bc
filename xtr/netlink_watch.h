/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_NETLINK_WATCH_H
#define XTR_NETLINK_WATCH_H

/*
 * netlink_watch.h - hears of interfaces, addresses and routes that change.
 *
 * The kernel drops the routes and neighbours of an interface that goes down or
 * is removed.  The watch calls back when the LISP device or a segment came up,
 * LINK_SETTLE_MS after the last change, so that what we installed there is
 * installed again.  Every change reaches reach_kernel_changed(), one of addresses
 * segments_follow_vrrp().
 */
#include "xtr/xtr.h"

#define LINK_SETTLE_MS 50

struct netlink_watch;

/* 'fn' may be called at any time after.  NULL after logging why. */
struct netlink_watch *
netlink_watch_start(struct xtr *, void (*fn)(struct xtr *));
void netlink_watch_stop(struct netlink_watch *); /* accepts NULL */

#endif
