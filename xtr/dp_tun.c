/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dp_tun.c - the data plane in user space, behind a TUN device.
 *
 * Out: kernel -> device -> here -> forward_out() -> dp_send.c -> underlay.
 * In: underlay -> dp_receive.c -> forward_in() -> here -> device -> kernel.
 *
 * The device is persistent: it stays, with its routes, when the process ends or
 * is killed.  Packets of EIDs are then dropped by a device that nobody reads,
 * and never find the underlay's default route.  A start adopts what it finds.
 */
#include "dp_tun.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xtr/dp.h"
#include "xtr/dp_icmp.h"
#include "xtr/dp_receive.h"
#include "xtr/dp_routes.h"
#include "xtr/dp_send.h"
#include "xtr/forward.h"
#include "xtr/route.h"
#include "xtr/sysctl.h"

enum {
	RETRY_MS = 1000, /* until a lost device is made again */
	TURN = 256, /* packets read from the device in one turn of the loop */
	DEVICE_QUEUE = 4096, /* packets the kernel keeps until we read */
	PACKET_MAX = 65536,
};

struct tun {
	struct dp dp;
	struct xtr *x;
	int fd;
	struct loop_fd *event;
	struct loop_timer *retry;
	struct dp_send *send;
	struct dp_receive *receive;
	struct dp_icmp *icmp;
	struct log_limit log;
	uint8_t room[FORWARD_ROOM + PACKET_MAX];
};

static struct tun *
tun_of(struct dp *d)
{
	return (struct tun *)(void *)d; /* 'dp' is its first member */
}

/* The device. */

static enum err
device_failed(const char *device, const char *what)
{
	log_error("data", "device %s: %s: %s", device, what, strerror(errno));
	return ERR_IO;
}

static enum err
device_open(const char *device, int *out)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	enum err err;

	if (fd < 0)
		return device_failed(device, "/dev/net/tun");
	strncpy(ifr.ifr_name, device, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0) {
		*out = fd;
		return ERR_OK;
	}
	err = device_failed(
	    device, errno == EBUSY ? "another process has it" : "attach");
	close(fd);
	return err;
}

enum err
dp_tun_remove(const char *device)
{
	enum err err;
	int fd;

	if (!route_ifindex(device))
		return ERR_OK;
	err = device_open(device, &fd);
	if (err)
		return err;
	if (ioctl(fd, TUNSETPERSIST, 0))
		err = device_failed(device, "remove");
	close(fd);
	return err;
}

static void
device_queue(const char *device)
{
	struct ifreq ifr = { .ifr_qlen = DEVICE_QUEUE };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, device, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, SIOCSIFTXQLEN, &ifr))
		log_debug("data", "device %s: queue length: %s", device,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
}

/*
 * A device that forwards anything: no reverse-path filter, no IPv6 link-local
 * address and what comes with it.  accept_local: the gateway address of a
 * mobile prefix is the same in every site, and an ICMP error from there has it
 * as its source.
 */
static enum err
device_sysctls(const char *device)
{
	static const struct {
		const char *family, *name, *value;
	} values[] = {
		{ "ipv4", "accept_local", "1" },
		{ "ipv4", "send_redirects", "0" },
		{ "ipv6", "disable_ipv6", "0" },
		{ "ipv6", "addr_gen_mode", "1" },
		{ "ipv6", "accept_dad", "0" },
		{ "ipv6", "accept_ra", "0" },
		{ "ipv6", "router_solicitations", "0" },
	};
	enum err err = sysctl_rp_filter_off(device);

	for (size_t i = 0; i < sizeof(values) / sizeof(*values) && !err; i++)
		err = sysctl_write_if(values[i].family, "conf", device,
		    values[i].name, values[i].value);
	if (!err)
		err = sysctl_write("net/ipv4/ip_forward", "1");
	if (!err)
		err = sysctl_write("net/ipv6/conf/all/forwarding", "1");
	if (!err)
		err = sysctl_write(
		    "net/ipv4/icmp_errors_use_inbound_ifaddr", "1");
	return err;
}

/* An address of this host inside an EID prefix of ours, other than a gateway. */
static bool
host_address_in(const struct xtr_conf *conf, uint16_t afi, struct addr *out)
{
	struct ifaddrs *all = NULL;
	bool found = false;
	uint16_t port;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		struct eid host;

		if (!i->ifa_addr ||
		    addr_from_sockaddr(i->ifa_addr, out, &port) ||
		    out->afi != afi)
			continue;
		host = eid_host(0, out);
		for (size_t j = 0; j < conf->eids.n && !found; j++)
			found = eid_covers(
			    &conf_at(conf->eids, struct conf_eid, j)->prefix,
			    &host);
	}
	freeifaddrs(all);
	return found;
}

/*
 * Addresses out of our EID prefixes.  The kernel answers a packet that it
 * cannot deliver from the device that it came in by (icmp_errors_use_inbound_
 * ifaddr; IPv6 does so anyway).  From an RLOC such an error would follow the
 * underlay's default route, in clear; from an EID it comes back to us.
 */
static enum err
device_addresses(struct tun *t, int ifindex)
{
	const struct xtr_conf *conf = t->x->conf;
	bool have[2] = { false, false };
	enum err err = ERR_OK;

	for (size_t i = 0; i < conf->mobility.prefixes.n && !err; i++) {
		const struct conf_mobile_prefix *p = conf_at(
		    conf->mobility.prefixes, struct conf_mobile_prefix, i);

		if (p->prefix.iid || p->gateway.afi == AFI_NONE)
			continue;
		have[p->gateway.afi == AFI_IPV6] = true;
		err = route_addr_set(
		    t->x->route, ifindex, &p->gateway, addr_bits(&p->gateway));
	}
	for (int v6 = 0; v6 < 2 && !err; v6++) {
		struct addr a;

		if (!have[v6] &&
		    host_address_in(conf, v6 ? AFI_IPV6 : AFI_IPV4, &a))
			err = route_addr_set(
			    t->x->route, ifindex, &a, addr_bits(&a));
	}
	return err;
}

static enum err
device_routes(struct tun *t)
{
	int ifindex = route_ifindex(t->x->conf->dataplane.device);
	enum err err = device_addresses(t, ifindex);

	return err ? err : dp_routes_set(t->x->route, t->x->conf, ifindex);
}

static enum err
device_start(struct tun *t)
{
	const struct conf_dataplane *c = &t->x->conf->dataplane;
	enum err err = device_open(c->device, &t->fd);

	if (err)
		return err;
	if (ioctl(t->fd, TUNSETPERSIST, 1))
		return device_failed(c->device, "make persistent");
	device_queue(c->device);
	err = device_sysctls(c->device);
	if (!err)
		err = route_link_set(t->x->route, route_ifindex(c->device),
		    true, (unsigned)c->mtu, NULL);
	return err ? err : device_routes(t);
}

/* From the kernel. */

static void on_readable(void *arg, int fd, unsigned what);

static enum err
device_listen(struct tun *t)
{
	t->event = loop_fd_new(t->x->loop, t->fd, LOOP_READ, on_readable, t);
	return t->event ? ERR_OK : ERR_NOMEM;
}

static void
device_close(struct tun *t)
{
	loop_fd_free(t->event);
	t->event = NULL;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* Somebody removed the device; the back-stops hold until it is there again. */
static void
device_retry(void *arg)
{
	struct tun *t = arg;

	if (device_start(t) == ERR_OK && device_listen(t) == ERR_OK) {
		log_info("data", "device %s: made again",
		    t->x->conf->dataplane.device);
		return;
	}
	t->x->counters.kernel_errors++;
	device_close(t);
	loop_timer_set(t->retry, RETRY_MS);
}

static void
read_failed(struct tun *t, int error)
{
	uint32_t suppressed;

	t->x->counters.kernel_errors++;
	if (log_allowed(&t->log, xtr_now(t->x), &suppressed))
		log_error("data", "device %s: read: %s",
		    t->x->conf->dataplane.device, strerror(error));
	if (error == EBADFD) {
		device_close(t);
		loop_timer_set(t->retry, RETRY_MS);
	}
}

static void
on_readable(void *arg, int fd, unsigned what)
{
	struct tun *t = arg;
	uint8_t *packet = t->room + FORWARD_ROOM;
	ssize_t n = 1;

	(void)what;
	dp_send_batch_begin(t->send);
	for (unsigned i = 0; i < TURN && n > 0; i++) {
		n = read(fd, packet, PACKET_MAX);
		if (n > 0)
			forward_out(t->x, packet, (size_t)n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			read_failed(t, errno);
	}
	dp_send_batch_end(t->send);
}

/* The ops. */

static enum err
tun_encapsulate(struct dp *d, const struct addr *source,
    const struct addr *rloc, uint16_t sport, uint8_t ttl, uint8_t tos,
    const uint8_t *payload, size_t len)
{
	return dp_send_encapsulated(
	    tun_of(d)->send, source, rloc, sport, ttl, tos, payload, len);
}

static enum err
tun_deliver(struct dp *d, const uint8_t *packet, size_t len)
{
	struct tun *t = tun_of(d);
	uint32_t suppressed;

	if (write(t->fd, packet, len) == (ssize_t)len)
		return ERR_OK;
	t->x->counters.kernel_errors++;
	if (log_allowed(&t->log, xtr_now(t->x), &suppressed))
		log_warning("data",
		    "device %s: %zu octets: %s (%u more not shown)",
		    t->x->conf->dataplane.device, len, strerror(errno),
		    suppressed);
	return ERR_IO;
}

static enum err
tun_icmp(
    struct dp *d, const struct addr *to, const uint8_t *message, size_t len)
{
	return dp_send_icmp(tun_of(d)->send, to, message, len);
}

static enum err
tun_native(
    struct dp *d, const struct addr *to, const uint8_t *packet, size_t len)
{
	return dp_send_native(tun_of(d)->send, to, packet, len);
}

static void
tun_stop(struct dp *d)
{
	struct tun *t = d ? tun_of(d) : NULL;

	if (!t)
		return;
	dp_icmp_free(t->icmp);
	dp_receive_free(t->receive);
	dp_send_free(t->send);
	loop_timer_free(t->retry);
	device_close(t);
	dp_fini(&t->dp);
	free(t);
}

static enum err
tun_reload(struct dp *d)
{
	struct tun *t = tun_of(d);
	enum err err = dp_send_reload(t->send);

	if (!err)
		err = device_routes(t);
	if (err)
		t->x->counters.kernel_errors++;
	return err;
}

static enum err
tun_start(struct xtr *x, struct dp **out)
{
	struct tun *t = calloc(1, sizeof(*t));
	enum err err = t ? dp_init(&t->dp, &dp_tun) : ERR_NOMEM;

	if (err) {
		free(t);
		return err;
	}
	t->x = x;
	t->fd = -1;
	t->retry = loop_timer_new(x->loop, device_retry, t);
	err = t->retry ? device_start(t) : ERR_NOMEM;
	if (!err)
		err = dp_send_new(x, &t->send);
	if (!err)
		err = dp_receive_new(x, t->send, &t->receive);
	if (!err)
		err = dp_icmp_new(x, &t->icmp);
	if (!err)
		err = device_listen(t);
	if (err) {
		x->counters.kernel_errors++;
		tun_stop(&t->dp);
		return err;
	}
	*out = &t->dp;
	return ERR_OK;
}

const struct dp_ops dp_tun = {
	.name = "tun",
	.start = tun_start,
	.stop = tun_stop,
	.reload = tun_reload,
	.encapsulate = tun_encapsulate,
	.deliver = tun_deliver,
	.icmp = tun_icmp,
	.native = tun_native,
};
