/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dp.c - what all data planes share, and their removal.
 */
#include "dp.h"

#include "common/log.h"
#include "xtr/dp_routes.h"
#include "xtr/dp_tun.h"
#include "xtr/route.h"
#include "xtr/segment.h"

enum { /* ours: ICMP errors to one destination */
	ICMP_DESTINATIONS = 1024,
	ICMP_BURST = 10,
	ICMP_INTERVAL_MS = 100,
};

enum err
dp_init(struct dp *d, const struct dp_ops *ops)
{
	*d = (struct dp){ .ops = ops };
	d->icmp_limits =
	    limits_new(ICMP_DESTINATIONS, ICMP_BURST, ICMP_INTERVAL_MS);
	return d->icmp_limits ? ERR_OK : ERR_NOMEM;
}

void
dp_fini(struct dp *d)
{
	limits_free(d->icmp_limits);
	d->icmp_limits = NULL;
}

enum err
dp_cleanup(const struct xtr_conf *conf)
{
	struct route *r;
	enum err err = route_open(&r), e;

	if (err)
		return err;
	/* The device first: a running xtrd has it open, and keeps the rest. */
	err = dp_tun_remove(conf->dataplane.device);
	if (err) {
		route_close(r);
		return err;
	}
	err = segments_cleanup(r, conf);
	e = dp_routes_remove(r);
	route_close(r);
	return err ? err : e;
}
