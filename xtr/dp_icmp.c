/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dp_icmp.c - raw sockets for ICMP errors.
 *
 * Encapsulated packets leave through raw sockets (dp_send.c), which hear of no
 * error, so the errors are taken where all of them pass.  dp_tun.c makes the
 * sockets, reach_icmp.c decides what a message is worth.
 */
#include "dp_icmp.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xtr/reach_icmp.h"

enum {
	ICMP4_FILTER = 1, /* struct icmp_filter of <linux/icmp.h> */
	MESSAGE_MAX = 2048,
};

struct dp_icmp {
	struct xtr *x;
	int fd4, fd6;
	struct loop_fd *event4, *event6;
};

/* IPv4 comes with its header, which the kernel has checked. */
static void
handle(struct dp_icmp *d, uint16_t afi, const uint8_t *bytes, size_t len)
{
	size_t header = afi == AFI_IPV4 && len ? (bytes[0] & 0x0fu) * 4u : 0;

	/* Counted there; a log line for each would be a remote's to write. */
	if (header <= len)
		(void)!reach_on_icmp(d->x, afi, bytes + header, len - header);
}

static void
on_readable(void *arg, int fd, unsigned what)
{
	struct dp_icmp *d = arg;
	uint8_t bytes[MESSAGE_MAX];
	ssize_t n = 1;

	(void)what;
	for (unsigned i = 0; i < DP_ICMP_TURN && n > 0; i++) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n > 0)
			handle(d, fd == d->fd4 ? AFI_IPV4 : AFI_IPV6, bytes,
			    (size_t)n);
	}
}

static bool
only_unreachable(int fd, bool v6)
{
	const uint32_t filter4 = ~(UINT32_C(1) << ICMP_DEST_UNREACH);
	struct icmp6_filter filter6;

	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &filter6);
	return v6
	    ? !setsockopt(
		  fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6))
	    : !setsockopt(fd, SOL_RAW, ICMP4_FILTER, &filter4, sizeof(filter4));
}

static enum err
open_one(struct dp_icmp *d, bool v6, int *fd, struct loop_fd **event)
{
	*fd = socket(v6 ? AF_INET6 : AF_INET,
	    SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (*fd < 0 || !only_unreachable(*fd, v6)) {
		log_warning("data", "no ICMPv%d errors: %s", v6 ? 6 : 4,
		    strerror(errno));
		return ERR_OK;
	}
	*event = loop_fd_new(d->x->loop, *fd, LOOP_READ, on_readable, d);
	return *event ? ERR_OK : ERR_NOMEM;
}

enum err
dp_icmp_new(struct xtr *x, struct dp_icmp **out)
{
	struct dp_icmp *d = calloc(1, sizeof(*d));
	enum err err;

	if (!d)
		return ERR_NOMEM;
	d->x = x;
	d->fd4 = d->fd6 = -1;
	err = open_one(d, false, &d->fd4, &d->event4);
	if (!err)
		err = open_one(d, true, &d->fd6, &d->event6);
	if (err) {
		dp_icmp_free(d);
		return err;
	}
	*out = d;
	return ERR_OK;
}

void
dp_icmp_free(struct dp_icmp *d)
{
	if (!d)
		return;
	loop_fd_free(d->event4);
	loop_fd_free(d->event6);
	if (d->fd4 >= 0)
		close(d->fd4);
	if (d->fd6 >= 0)
		close(d->fd6);
	free(d);
}
