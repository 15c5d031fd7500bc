/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dp_receive.c - UDP 4341.
 *
 * One socket per address of conf->listen.  The kernel reassembles and, where
 * the sender set one, checks the UDP checksum; zero is taken for both families
 * (RFC 9300 5.3).  TTL, traffic class and destination of the outer header come
 * as control messages.  Decisions are forward.c's.
 */
#include "dp_receive.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lisp.h"

#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif

enum {
	SLOT = FORWARD_ROOM + 65536, /* touched as far as packets are long */
	CONTROL = 128,
	SOCKET_BUFFER = 8 << 20,
};

struct data_socket {
	struct dp_receive *owner;
	int fd;
	uint16_t afi;
	struct loop_fd *event;
};

struct dp_receive {
	struct xtr *x;
	struct dp_send *send;
	struct data_socket *sockets;
	size_t n;
	uint8_t *slots; /* DP_RECEIVE_BATCH of SLOT octets */
	struct mmsghdr messages[DP_RECEIVE_BATCH];
	struct iovec iov[DP_RECEIVE_BATCH];
	struct sockaddr_storage from[DP_RECEIVE_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[DP_RECEIVE_BATCH][CONTROL];
};

/* Outer header out of the control messages. */
static void
read_control(struct msghdr *m, struct forward_outer *o)
{
	o->ttl = UINT8_MAX; /* not told: takes nothing off the inner one */
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const uint8_t *data = CMSG_DATA(c);
		bool v6 = c->cmsg_level == IPPROTO_IPV6;
		struct in6_pktinfo info6;
		struct in_pktinfo info4;
		int value = 0;

		if (c->cmsg_len >= CMSG_LEN(sizeof(value)))
			memcpy(&value, data, sizeof(value));
		if (v6 && c->cmsg_type == IPV6_HOPLIMIT) {
			o->ttl = (uint8_t)value;
		} else if (v6 && c->cmsg_type == IPV6_TCLASS) {
			o->tos = (uint8_t)value;
		} else if (v6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, data, sizeof(info6));
			o->to = addr_make(AFI_IPV6, &info6.ipi6_addr);
		} else if (!v6 && c->cmsg_type == IP_TTL) {
			o->ttl = (uint8_t)value;
		} else if (!v6 && c->cmsg_type == IP_TOS) {
			o->tos = data[0]; /* one octet */
		} else if (!v6 && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info4, data, sizeof(info4));
			o->to = addr_make(AFI_IPV4, &info4.ipi_addr);
		}
	}
}

static void
prepare(struct dp_receive *r, unsigned i)
{
	r->iov[i] = (struct iovec){ r->slots + (size_t)i * SLOT + FORWARD_ROOM,
		SLOT - FORWARD_ROOM };
	r->messages[i].msg_hdr = (struct msghdr){
		.msg_name = &r->from[i],
		.msg_namelen = sizeof(r->from[i]),
		.msg_iov = &r->iov[i],
		.msg_iovlen = 1,
		.msg_control = r->control[i],
		.msg_controllen = CONTROL,
	};
}

static void
handle(struct dp_receive *r, unsigned i)
{
	struct forward_outer outer = { 0 };
	uint16_t port;

	if (addr_from_sockaddr(
		(const struct sockaddr *)&r->from[i], &outer.from, &port))
		return;
	read_control(&r->messages[i].msg_hdr, &outer);
	forward_in(r->x, &outer, r->iov[i].iov_base, r->messages[i].msg_len);
}

static void
on_readable(void *arg, int fd, unsigned what)
{
	struct data_socket *s = arg;
	struct dp_receive *r = s->owner;
	unsigned total = 0;
	int n;

	(void)what;
	dp_send_batch_begin(r->send);
	do {
		for (unsigned i = 0; i < DP_RECEIVE_BATCH; i++)
			prepare(r, i);
		n = recvmmsg(fd, r->messages, DP_RECEIVE_BATCH, 0, NULL);
		for (int i = 0; i < n; i++)
			handle(r, (unsigned)i);
		total += n > 0 ? (unsigned)n : 0;
	} while (n == DP_RECEIVE_BATCH && total < DP_RECEIVE_TURN);
	dp_send_batch_end(r->send);
}

static bool
set_options(int fd, bool v6)
{
	static const struct {
		int level, name;
	} options4[] = { { IPPROTO_IP, IP_RECVTTL }, { IPPROTO_IP, IP_RECVTOS },
		{ IPPROTO_IP, IP_PKTINFO } },
	  options6[] = { { IPPROTO_IPV6, IPV6_V6ONLY },
		  { IPPROTO_IPV6, IPV6_RECVHOPLIMIT },
		  { IPPROTO_IPV6, IPV6_RECVTCLASS },
		  { IPPROTO_IPV6, IPV6_RECVPKTINFO },
		  { IPPROTO_UDP, UDP_NO_CHECK6_RX } };
	size_t n = v6 ? sizeof(options6) / sizeof(*options6)
		      : sizeof(options4) / sizeof(*options4);
	int on = 1, size = SOCKET_BUFFER;

	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, v6 ? options6[i].level : options4[i].level,
			v6 ? options6[i].name : options4[i].name, &on,
			sizeof(on)))
			return false;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		log_debug("data", "receive buffer: %s", strerror(errno));
	return true;
}

static enum err
open_socket(struct dp_receive *r, const struct addr *listen)
{
	struct data_socket *s = &r->sockets[r->n];
	bool v6 = listen->afi == AFI_IPV6;
	struct sockaddr_storage ss;
	char text[ADDR_STR_MAX];
	unsigned size;

	s->owner = r;
	s->afi = listen->afi;
	s->fd = socket(v6 ? AF_INET6 : AF_INET,
	    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* A kernel without IPv6, and no need of it. */
	if (s->fd < 0 && errno == EAFNOSUPPORT && !xtr_rloc(r->x, listen->afi))
		return ERR_OK;
	addr_to_sockaddr(listen, LISP_DATA_PORT, &ss, &size);
	if (s->fd < 0 || !set_options(s->fd, v6) ||
	    bind(s->fd, (const struct sockaddr *)&ss, size)) {
		log_error("data", "UDP %s port %d: %s", addr_str(listen, text),
		    LISP_DATA_PORT, strerror(errno));
		if (s->fd >= 0)
			close(s->fd);
		return ERR_IO;
	}
	r->n++;
	s->event = loop_fd_new(r->x->loop, s->fd, LOOP_READ, on_readable, s);
	return s->event ? ERR_OK : ERR_NOMEM;
}

enum err
dp_receive_new(struct xtr *x, struct dp_send *send, struct dp_receive **out)
{
	struct dp_receive *r = calloc(1, sizeof(*r));
	const struct conf_list *listen = &x->conf->listen;
	enum err err = ERR_OK;

	if (!r)
		return ERR_NOMEM;
	r->x = x;
	r->send = send;
	r->sockets = calloc(listen->n ? listen->n : 1, sizeof(*r->sockets));
	r->slots = malloc((size_t)DP_RECEIVE_BATCH * SLOT);
	if (!r->sockets || !r->slots)
		err = ERR_NOMEM;
	for (size_t i = 0; i < listen->n && !err; i++)
		err = open_socket(r, conf_at(*listen, struct addr, i));
	if (err) {
		dp_receive_free(r);
		return err;
	}
	*out = r;
	return ERR_OK;
}

void
dp_receive_free(struct dp_receive *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		loop_fd_free(r->sockets[i].event);
		close(r->sockets[i].fd);
	}
	free(r->sockets);
	free(r->slots);
	free(r);
}
