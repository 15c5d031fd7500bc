/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink_watch.c - hears of interfaces, addresses and routes that change.
 *
 * main.c starts it with the data plane.  Only the fact that a device of ours
 * came up, or is a new one of that name, counts, and for reach_kernel.c and
 * segment_vrrp.c that there was a change; what to do is decided from the kernel's present state, so
 * a lost message (ENOBUFS) is treated as one.
 */
#include "netlink_watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "xtr/reach_kernel.h"
#include "xtr/route.h"
#include "xtr/segment.h"

#define GROUPS \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | \
	    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

struct netlink_watch {
	struct xtr *x;
	void (*fn)(struct xtr *);
	bool addresses; /* one changed, or what it is on */
	struct mnl_socket *socket;
	struct loop_fd *readable;
	struct loop_timer *timer;
};

static bool
is_ours(const struct xtr *x, const char *name)
{
	const struct conf_list *prefixes = &x->conf->mobility.prefixes;

	if (strcmp(name, x->conf->dataplane.device) == 0)
		return true;
	for (size_t i = 0; i < prefixes->n; i++) {
		const struct conf_mobile_prefix *p =
		    conf_at(*prefixes, struct conf_mobile_prefix, i);

		if (p->segment && strcmp(name, p->segment) == 0)
			return true;
	}
	return false;
}

static int
on_attribute(const struct nlattr *a, void *arg)
{
	struct netlink_watch *w = arg;

	if (mnl_attr_get_type(a) == IFLA_IFNAME &&
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 &&
	    is_ours(w->x, mnl_attr_get_str(a))) {
		log_info("link", "%s is up", mnl_attr_get_str(a));
		loop_timer_set(w->timer, LINK_SETTLE_MS);
	}
	return MNL_CB_OK;
}

static bool
is_our_route(const struct nlmsghdr *h)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);

	return (h->nlmsg_type == RTM_NEWROUTE ||
		   h->nlmsg_type == RTM_DELROUTE) &&
	    m->rtm_protocol == ROUTE_PROTO;
}

static int
on_message(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct netlink_watch *w = arg;

	/* Those of EIDs come and go, and lead to no RLOC. */
	if (!is_our_route(h))
		reach_kernel_changed(w->x);

	w->addresses |= h->nlmsg_type == RTM_NEWADDR ||
	    h->nlmsg_type == RTM_DELADDR || h->nlmsg_type == RTM_DELLINK;
	/* A change of flags to up; the kernel also repeats itself for other
	 * reasons, then nothing of ours has changed. */
	if (h->nlmsg_type != RTM_NEWLINK || !(m->ifi_flags & IFF_UP) ||
	    !(m->ifi_change & IFF_UP))
		return MNL_CB_OK;
	return mnl_attr_parse(h, sizeof(*m), on_attribute, arg);
}

static void
on_readable(void *arg, int fd, unsigned what)
{
	struct netlink_watch *w = arg;
	char buf[16384];
	ssize_t n;

	(void)fd;
	(void)what;
	while ((n = mnl_socket_recvfrom(w->socket, buf, sizeof(buf))) > 0)
		if (mnl_cb_run(buf, (size_t)n, 0, 0, on_message, w) < 0)
			break;
	if (n < 0 && errno == ENOBUFS) {
		loop_timer_set(w->timer, LINK_SETTLE_MS);
		reach_kernel_changed(w->x);
		w->addresses = true;
	}
	if (w->addresses)
		segments_follow_vrrp(w->x);
	w->addresses = false;
}

static void
settled(void *arg)
{
	struct netlink_watch *w = arg;

	w->fn(w->x);
}

struct netlink_watch *
netlink_watch_start(struct xtr *x, void (*fn)(struct xtr *))
{
	struct netlink_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->x = x;
	w->fn = fn;
	w->socket =
	    mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!w->socket ||
	    mnl_socket_bind(w->socket, GROUPS, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	w->timer = loop_timer_new(x->loop, settled, w);
	w->readable = loop_fd_new(
	    x->loop, mnl_socket_get_fd(w->socket), LOOP_READ, on_readable, w);
	if (w->timer && w->readable)
		return w;
fail:
	log_error("link", "cannot watch interfaces: %s", strerror(errno));
	netlink_watch_stop(w);
	return NULL;
}

void
netlink_watch_stop(struct netlink_watch *w)
{
	if (!w)
		return;
	loop_fd_free(w->readable);
	loop_timer_free(w->timer);
	if (w->socket)
		mnl_socket_close(w->socket);
	free(w);
}
