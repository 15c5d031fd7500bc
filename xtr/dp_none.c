/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dp_none.c - no data plane: a Map-Server, or a control plane beside a router
 * that forwards by itself.  Nothing comes in, and nothing goes out.
 */
#include <stdlib.h>

#include "xtr/dp.h"

static enum err
none_start(struct xtr *x, struct dp **out)
{
	struct dp *d = calloc(1, sizeof(*d));

	(void)x;
	if (!d || dp_init(d, &dp_none)) {
		free(d);
		return ERR_NOMEM;
	}
	*out = d;
	return ERR_OK;
}

static void
none_stop(struct dp *d)
{
	if (!d)
		return;
	dp_fini(d);
	free(d);
}

static enum err
none_encapsulate(struct dp *d, const struct addr *source,
    const struct addr *rloc, uint16_t sport, uint8_t ttl, uint8_t tos,
    const uint8_t *payload, size_t len)
{
	(void)d;
	(void)source;
	(void)rloc;
	(void)sport;
	(void)ttl;
	(void)tos;
	(void)payload;
	(void)len;
	return ERR_ROLE;
}

static enum err
none_deliver(struct dp *d, const uint8_t *packet, size_t len)
{
	(void)d;
	(void)packet;
	(void)len;
	return ERR_ROLE;
}

static enum err
none_send(struct dp *d, const struct addr *to, const uint8_t *bytes, size_t len)
{
	(void)d;
	(void)to;
	(void)bytes;
	(void)len;
	return ERR_ROLE;
}

const struct dp_ops dp_none = {
	.name = "none",
	.start = none_start,
	.stop = none_stop,
	.encapsulate = none_encapsulate,
	.deliver = none_deliver,
	.icmp = none_send,
	.native = none_send,
};
