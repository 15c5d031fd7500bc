/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.c - control datagrams in: decode, authenticate, dispatch, count, log.
 *
 * One table has a row per message type.  A decoder runs over the whole message
 * before a role sees it; roles return an error code, and this file is the edge
 * that turns it into one counter and one rate-limited line.  An ECM is taken
 * off first, RFC 9301 5.8; its payload goes through the same table.  We know no
 * vendor's LCAF: a message with one is dropped (RFC 9306 4).
 */
#include "input.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lisp.h"
#include "common/msg.h"
#include "xtr/eids.h"
#include "xtr/etr.h"
#include "xtr/itr.h"
#include "xtr/map_server.h"
#include "xtr/mobility.h"
#include "xtr/output.h"
#include "xtr/reach_probe.h"
#include "xtr/register.h"
#include "xtr/smr.h"
#include "xtr/store.h"
#include "xtr/subscribe.h"

#define INPUT_BATCH 32
#define INPUT_ROUNDS 8 /* batches a turn, so that timers get their time */
#define INPUT_SOCKETS 8
#define INPUT_BUFFER (8 << 20)

struct input_socket {
	int fd;
	uint16_t afi;
	struct loop_fd *watch;
};

struct input {
	struct input_socket sockets[INPUT_SOCKETS];
	unsigned n_sockets;
	struct log_limit limits[16];
	uint8_t buffers[INPUT_BATCH][65536];
};

typedef enum err handler_fn(struct xtr *, const struct datagram *);

static enum err
on_map_request(struct xtr *x, const struct datagram *dg)
{
	struct map_request m;
	enum err err = map_request_decode(dg->bytes, dg->len, &m);

	if (!err && m.vendor)
		err = ERR_UNSUPPORTED;
	if (err)
		return err;
	if (m.smr && !m.probe)
		return smr_on_map_request(x, dg, &m);
	/* An ECM asks the mapping system, if we are it; ERR_NOT_FOUND: the
	 * mapping system says that we are the ETR to ask. */
	if (dg->ecm && x->map_server) {
		err = map_server_on_map_request(x, dg, &m);
		if (err != ERR_NOT_FOUND)
			return err;
	}
	return etr_on_map_request(x, dg, &m);
}

static enum err
on_map_reply(struct xtr *x, const struct datagram *dg)
{
	struct map_reply m;
	enum err err = map_reply_decode(dg->bytes, dg->len, &m);

	if (!err && m.vendor)
		err = ERR_UNSUPPORTED;
	if (err)
		return err;
	return m.probe ? reach_probe_on_map_reply(x, dg, &m)
		       : itr_on_map_reply(x, dg, &m);
}

static enum err
on_map_register(struct xtr *x, const struct datagram *dg)
{
	struct map_register m;
	enum err err;

	if (!x->map_server)
		return ERR_ROLE;
	err = map_register_decode(dg->bytes, dg->len, &m);
	if (!err && m.vendor)
		err = ERR_UNSUPPORTED;
	return err ? err : map_server_on_map_register(x, dg, &m);
}

static enum err
on_map_notify(struct xtr *x, const struct datagram *dg)
{
	struct map_notify m;
	enum err err = map_notify_decode(dg->bytes, dg->len, &m);

	if (!err && m.vendor)
		err = ERR_UNSUPPORTED;
	if (err)
		return err;
	err = subscribe_on_map_notify(x, dg, &m);
	return err == ERR_NOT_FOUND ? register_on_map_notify(x, dg, &m) : err;
}

static enum err
on_map_notify_ack(struct xtr *x, const struct datagram *dg)
{
	struct map_notify m;
	enum err err;

	if (!x->map_server)
		return ERR_ROLE;
	err = map_notify_decode(dg->bytes, dg->len, &m);
	if (!err && m.vendor)
		err = ERR_UNSUPPORTED;
	return err ? err : map_server_on_map_notify_ack(x, dg, &m);
}

/* We are no DDT client (RFC 8111), and know where our NATs are. */
static enum err
on_map_referral(struct xtr *x, const struct datagram *dg)
{
	struct map_referral m;
	enum err err = map_referral_decode(dg->bytes, dg->len, &m);

	(void)x;
	return err ? err : ERR_ROLE;
}

static enum err
on_info(struct xtr *x, const struct datagram *dg)
{
	struct info m;
	enum err err = info_decode(dg->bytes, dg->len, &m);

	(void)x;
	return err ? err : ERR_ROLE;
}

static enum err
on_ecm(struct xtr *x, const struct datagram *dg)
{
	struct ecm ecm;
	struct datagram inner = *dg;
	enum err err;

	if (dg->ecm)
		return ERR_MALFORMED;
	err = ecm_decode(dg->bytes, dg->len, &ecm);
	if (err)
		return err;
	inner.bytes = ecm.payload;
	inner.len = ecm.payload_len;
	inner.ecm = &ecm;
	if (msg_type(inner.bytes, inner.len) != LISP_MAP_REQUEST)
		return ERR_UNSUPPORTED;
	return on_map_request(x, &inner);
}

static const struct handler {
	const char *name;
	handler_fn *fn;
} handlers[16] = {
	/* 4-bit type: always in range */
	[LISP_MAP_REQUEST] = { "Map-Request", on_map_request },
	[LISP_MAP_REPLY] = { "Map-Reply", on_map_reply },
	[LISP_MAP_REGISTER] = { "Map-Register", on_map_register },
	[LISP_MAP_NOTIFY] = { "Map-Notify", on_map_notify },
	[LISP_MAP_NOTIFY_ACK] = { "Map-Notify-Ack", on_map_notify_ack },
	[LISP_MAP_REFERRAL] = { "Map-Referral", on_map_referral },
	[LISP_INFO] = { "Info", on_info },
	[LISP_ECM] = { "ECM", on_ecm },
	[LISP_SHARED] = { "CPM", mobility_on_datagram },
};

const char *
input_type_str(unsigned type)
{
	return type < 16 && handlers[type].name ? handlers[type].name
						: "unknown type";
}

enum err
input_datagram(struct xtr *x, const struct datagram *dg)
{
	const int type = msg_type(dg->bytes, dg->len);
	enum err err = ERR_TRUNCATED;
	uint32_t held;
	char buf[ADDR_STR_MAX];

	if (type >= 0)
		err = handlers[type].fn ? handlers[type].fn(x, dg)
					: ERR_UNSUPPORTED;
	x->counters.rx[type < 0 ? 0 : type][err]++;
	if (err && x->input &&
	    log_allowed(
		&x->input->limits[type < 0 ? 0 : type], xtr_now(x), &held))
		log_warning("rx", "%s from %s: %s (%u more not logged)",
		    input_type_str(type < 0 ? 0 : (unsigned)type),
		    addr_str(&dg->from, buf), err_str(err), held);
	return err;
}

void
input_turn_end(struct xtr *x)
{
	if (x->store && store_commit(x->store)) {
		x->counters.store_errors++;
		output_drop(x);
		mobility_unsaved(x);
		return;
	}
	output_flush(x);
}

int
input_fd(const struct xtr *x, uint16_t afi)
{
	for (unsigned i = 0; x->input && i < x->input->n_sockets; i++)
		if (x->input->sockets[i].afi == afi)
			return x->input->sockets[i].fd;
	return -1;
}

/* Our address that a datagram came to. */
static struct addr
destination(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return addr_make(AFI_IPV4, &info.ipi_addr);
		}
		if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return addr_make(AFI_IPV6, &info.ipi6_addr);
		}
	}
	return (struct addr){ 0 };
}

static int
read_batch(struct xtr *x, int fd)
{
	struct input *in = x->input;
	struct mmsghdr batch[INPUT_BATCH] = { 0 };
	struct iovec iov[INPUT_BATCH];
	struct sockaddr_storage from[INPUT_BATCH];
	_Alignas(struct cmsghdr) uint8_t
	    control[INPUT_BATCH][CMSG_SPACE(sizeof(struct in6_pktinfo))];
	int n;

	for (unsigned i = 0; i < INPUT_BATCH; i++) {
		struct msghdr *h = &batch[i].msg_hdr;

		iov[i] =
		    (struct iovec){ in->buffers[i], sizeof(in->buffers[i]) };
		h->msg_name = &from[i];
		h->msg_namelen = sizeof(from[i]);
		h->msg_iov = &iov[i];
		h->msg_iovlen = 1;
		h->msg_control = control[i];
		h->msg_controllen = sizeof(control[i]);
	}
	n = recvmmsg(fd, batch, INPUT_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct datagram dg = { .bytes = in->buffers[i],
			.len = batch[i].msg_len };

		if (addr_from_sockaddr(
			(struct sockaddr *)&from[i], &dg.from, &dg.port))
			continue;
		dg.to = destination(&batch[i].msg_hdr);
		/* A refusal is counted and logged there. */
		(void)!input_datagram(x, &dg);
	}
	return n;
}

static void
on_readable(void *arg, int fd, unsigned what)
{
	struct xtr *x = arg;

	(void)what;
	for (unsigned i = 0; i < INPUT_ROUNDS; i++)
		if (read_batch(x, fd) < INPUT_BATCH)
			break;
	input_turn_end(x);
}

static int
open_socket(const struct addr *address)
{
	const int family = address->afi == AFI_IPV4 ? AF_INET : AF_INET6;
	const int on = 1, size = INPUT_BUFFER;
	struct sockaddr_storage ss;
	unsigned len;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* A smaller buffer than asked for still works. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)!setsockopt(
		    fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	addr_to_sockaddr(address, LISP_CONTROL_PORT, &ss, &len);
	if (family == AF_INET
		? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on))
		: setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) ||
		    setsockopt(
			fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)))
		goto fail;
	if (bind(fd, (struct sockaddr *)&ss, len))
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

static enum err
listen_on(struct xtr *x, const struct addr *address)
{
	struct input *in = x->input;
	struct input_socket *s = &in->sockets[in->n_sockets];
	char buf[ADDR_STR_MAX];

	if (in->n_sockets == INPUT_SOCKETS)
		return ERR_FULL;
	s->fd = open_socket(address);
	if (s->fd < 0) {
		log_error("input", "cannot listen on %s port %d: %s",
		    addr_str(address, buf), LISP_CONTROL_PORT, strerror(errno));
		return ERR_IO;
	}
	s->afi = address->afi;
	s->watch = loop_fd_new(x->loop, s->fd, LOOP_READ, on_readable, x);
	if (!s->watch) {
		close(s->fd);
		return ERR_NOMEM;
	}
	in->n_sockets++;
	return ERR_OK;
}

enum err
input_start(struct xtr *x)
{
	static const struct addr any[] = { { .afi = AFI_IPV4 },
		{ .afi = AFI_IPV6 } };
	const struct conf_list *l = &x->conf->listen;
	const struct addr *addresses = l->n ? l->items : any;
	const size_t n = l->n ? l->n : 2;

	x->input = calloc(1, sizeof(*x->input));
	if (!x->input)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		enum err err = listen_on(x, &addresses[i]);

		if (err) {
			input_stop(x);
			return err;
		}
	}
	return ERR_OK;
}

void
input_stop(struct xtr *x)
{
	struct input *in = x->input;

	if (!in)
		return;
	for (unsigned i = 0; i < in->n_sockets; i++) {
		loop_fd_free(in->sockets[i].watch);
		close(in->sockets[i].fd);
	}
	free(in);
	x->input = NULL;
}
