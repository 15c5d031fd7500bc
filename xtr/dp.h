/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_DP_H
#define XTR_DP_H

/*
 * dp.h - the data plane behind one ops table.  Implementations: dp_tun.c
 * (user space), dp_none.c (no data plane).
 *
 * The map-cache and the mapping database stay the truth; an implementation that
 * caches decisions hears of every change through mapping_changed/eid_changed
 * and looks the new state up.
 */
#include "common/addr.h"
#include "common/err.h"
#include "xtr/limit.h"
#include "xtr/xtr.h"

struct dp_ops {
	const char *name;
	/*
	 * Device, routes, sockets; x->route is open (unless the data plane is
	 * none).  ERR_IO after logging why.
	 */
	enum err (*start)(struct xtr *, struct dp **out);
	/* The process ends: device and routes stay, so that nothing leaks. */
	void (*stop)(struct dp *);
	/* x->conf is another one: routes, addresses, families of RLOCs.  NULL
	 * where nothing depends on it.  ERR_IO after logging why. */
	enum err (*reload)(struct dp *);
	/*
	 * Sends 'len' octets of LISP header and inner packet from 'source' to
	 * 'rloc' port 4341; 'sport' carries the flow's entropy; 'ttl' and 'tos'
	 * go into the outer header, DF is set.
	 */
	enum err (*encapsulate)(struct dp *, const struct addr *source,
	    const struct addr *rloc, uint16_t sport, uint8_t ttl, uint8_t tos,
	    const uint8_t *payload, size_t len);
	/* Hands an IP packet to the kernel, as received on the device. */
	enum err (*deliver)(struct dp *, const uint8_t *packet, size_t len);
	/*
	 * Sends an ICMP or ICMPv6 message (no IP header) from an address that
	 * the kernel chooses by its route to 'to'.
	 */
	enum err (*icmp)(struct dp *, const struct addr *to,
	    const uint8_t *message, size_t len);
	/* Sends an IP packet by the routes of the underlay, as it is. */
	enum err (*native)(struct dp *, const struct addr *to,
	    const uint8_t *packet, size_t len);
	/* NULL where nothing is cached. */
	void (*mapping_changed)(struct dp *, const struct eid *);
	void (*eid_changed)(struct dp *, const struct eid *);
};

struct dp {
	const struct dp_ops *ops;
	/* forward.c's: ICMP errors per destination, and its log lines. */
	struct limits *icmp_limits;
	struct log_limit ecn_log, error_log;
	/* The implementation's own part follows in its struct. */
};

extern const struct dp_ops dp_tun, dp_none;

/* The part that all implementations have.  ERR_NOMEM. */
enum err dp_init(struct dp *, const struct dp_ops *) MUST_USE;
void dp_fini(struct dp *);

static inline void
dp_mapping_changed(struct xtr *x, const struct eid *eid)
{
	if (x->dp && x->dp->ops->mapping_changed)
		x->dp->ops->mapping_changed(x->dp, eid);
}

static inline void
dp_eid_changed(struct xtr *x, const struct eid *eid)
{
	if (x->dp && x->dp->ops->eid_changed)
		x->dp->ops->eid_changed(x->dp, eid);
}

static inline enum err
dp_reload(struct xtr *x)
{
	return x->dp && x->dp->ops->reload ? x->dp->ops->reload(x->dp) : ERR_OK;
}

/*
 * Removes what xtrd leaves behind when it ends (xtrd --cleanup): device,
 * routes, rules, gateway addresses, neighbours.  ERR_IO after logging why; it
 * goes on with the rest.
 */
enum err dp_cleanup(const struct xtr_conf *) MUST_USE;

#endif
