/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - control messages out, at the end of a turn of the loop.
 *
 * Roles encode into a buffer of theirs and call output_send(); the queue is one
 * flat array of octets, so a burst of a thousand SMRs costs no allocation each.
 * input_turn_end() commits the store and then calls output_flush(): what a
 * message promises is on disk before it leaves.
 */
#include "output.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "common/msg.h"
#include "xtr/input.h"

#define OUTPUT_BATCH 64

struct message {
	struct addr from, to;
	uint16_t port;
	size_t at, len;
};

struct output {
	uint8_t *bytes;
	size_t used, size;
	struct message *messages;
	size_t n, max;
	bool armed; /* input_turn_end() will run */
	bool flushing;
	struct log_limit limit;

	void (*divert)(void *arg, const struct addr *to, uint16_t port,
	    const uint8_t *bytes, size_t len);
	void *divert_arg;
};

struct output *
output_new(struct xtr *x)
{
	(void)x;
	return calloc(1, sizeof(struct output));
}

void
output_free(struct output *o)
{
	if (!o)
		return;
	free(o->bytes);
	free(o->messages);
	free(o);
}

void
output_divert(struct xtr *x,
    void (*fn)(void *arg, const struct addr *to, uint16_t port,
	const uint8_t *bytes, size_t len),
    void *arg)
{
	x->output->divert = fn;
	x->output->divert_arg = arg;
}

static void
turn_end(void *arg)
{
	struct xtr *x = arg;

	if (!x->output) /* closed since */
		return;
	x->output->armed = false;
	input_turn_end(x);
}

void
output_arm(struct xtr *x)
{
	struct output *o = x->output;

	if (!o->armed && !loop_defer(x->loop, turn_end, x))
		o->armed = true;
}

/* Makes room for one more message of 'len' octets. */
static bool
reserve(struct output *o, size_t len)
{
	if (o->used + len > OUTPUT_QUEUE_MAX)
		return false;
	if (o->used + len > o->size) {
		size_t size = o->size ? o->size * 2 : 65536;
		uint8_t *bytes;

		while (size < o->used + len)
			size *= 2;
		bytes = realloc(o->bytes, size);
		if (!bytes)
			return false;
		o->bytes = bytes;
		o->size = size;
	}
	if (o->n == o->max) {
		size_t max = o->max ? o->max * 2 : 256;
		struct message *messages =
		    realloc(o->messages, max * sizeof(*messages));

		if (!messages)
			return false;
		o->messages = messages;
		o->max = max;
	}
	return true;
}

void
output_send(struct xtr *x, const struct addr *from, const struct addr *to,
    uint16_t port, const uint8_t *bytes, size_t len)
{
	struct output *o = x->output;
	struct message *m;

	if (!reserve(o, len)) {
		x->counters.output_errors++;
		return;
	}
	m = &o->messages[o->n++];
	*m = (struct message){
		.to = *to, .port = port, .at = o->used, .len = len
	};
	if (from)
		m->from = *from;
	memcpy(o->bytes + o->used, bytes, len);
	o->used += len;
	output_arm(x);
}

void
output_ecm(struct xtr *x, const struct addr *to, const struct addr *inner_from,
    const struct addr *inner_to, uint16_t inner_source_port,
    const uint8_t *bytes, size_t len)
{
	const struct ecm ecm = {
		.source = *inner_from,
		.destination = *inner_to,
		.source_port = inner_source_port,
		.destination_port = LISP_CONTROL_PORT,
		.payload = bytes,
		.payload_len = len,
	};
	uint8_t buf[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	ecm_encode(&w, &ecm);
	if (w.err) {
		x->counters.output_errors++;
		return;
	}
	output_send(x, xtr_rloc(x, to->afi), to, LISP_CONTROL_PORT, buf,
	    wire_written(&w));
}

/* Source address of a message: one ancillary block. */
static void
set_source(struct msghdr *h, const struct addr *from, void *control)
{
	struct cmsghdr *c;

	if (from->afi == AFI_NONE)
		return;
	h->msg_control = control;
	if (from->afi == AFI_IPV4) {
		struct in_pktinfo info = { 0 };

		memcpy(&info.ipi_spec_dst, from->bytes, 4);
		h->msg_controllen = CMSG_SPACE(sizeof(info));
		c = CMSG_FIRSTHDR(h);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in6_pktinfo info = { 0 };

		memcpy(&info.ipi6_addr, from->bytes, 16);
		h->msg_controllen = CMSG_SPACE(sizeof(info));
		c = CMSG_FIRSTHDR(h);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
}

/*
 * Sends messages [first, end) that go to 'afi', at most OUTPUT_BATCH; returns
 * the index after the last one looked at.  A message that the kernel refuses
 * is counted and passed over: whoever sent it repeats it.
 */
static size_t
send_batch(struct xtr *x, uint16_t afi, size_t first)
{
	struct output *o = x->output;
	struct mmsghdr batch[OUTPUT_BATCH] = { 0 };
	struct iovec iov[OUTPUT_BATCH];
	struct sockaddr_storage to[OUTPUT_BATCH];
	_Alignas(struct cmsghdr) uint8_t
	    control[OUTPUT_BATCH][CMSG_SPACE(sizeof(struct in6_pktinfo))];
	const int fd = input_fd(x, afi);
	unsigned n = 0;
	size_t i;

	memset(control, 0, sizeof(control));
	for (i = first; i < o->n && n < OUTPUT_BATCH; i++) {
		struct message *m = &o->messages[i];
		struct msghdr *h = &batch[n].msg_hdr;
		unsigned len;

		if (m->to.afi != afi)
			continue;
		addr_to_sockaddr(&m->to, m->port, &to[n], &len);
		iov[n] = (struct iovec){ o->bytes + m->at, m->len };
		h->msg_name = &to[n];
		h->msg_namelen = len;
		h->msg_iov = &iov[n];
		h->msg_iovlen = 1;
		set_source(h, &m->from, control[n]);
		n++;
	}
	for (unsigned done = 0; done < n;) {
		int sent =
		    fd < 0 ? -1 : sendmmsg(fd, batch + done, n - done, 0);

		if (sent > 0) {
			done += (unsigned)sent;
			continue;
		}
		uint32_t held;
		x->counters.output_errors++;
		if (log_allowed(&o->limit, xtr_now(x), &held)) {
			char buf[ADDR_STR_MAX];
			struct addr a = { 0 };
			uint16_t port;

			if (addr_from_sockaddr(
				(struct sockaddr *)&to[done], &a, &port))
				a.afi = AFI_NONE;
			log_warning("output", "cannot send to %s: %s",
			    addr_str(&a, buf),
			    fd < 0 ? "no socket of this family"
				   : strerror(errno));
		}
		done++;
	}
	return i;
}

void
output_flush(struct xtr *x)
{
	struct output *o = x->output;

	if (o->flushing || o->n == 0)
		return;
	o->flushing = true;
	if (o->divert) {
		for (size_t i = 0; i < o->n; i++) {
			const struct message m = o->messages[i];

			o->divert(o->divert_arg, &m.to, m.port, o->bytes + m.at,
			    m.len);
		}
	} else {
		for (size_t i = 0; i < o->n;)
			i = send_batch(x, AFI_IPV4, i);
		for (size_t i = 0; i < o->n;)
			i = send_batch(x, AFI_IPV6, i);
	}
	o->n = 0;
	o->used = 0;
	o->flushing = false;
}

void
output_drop(struct xtr *x)
{
	x->counters.output_errors += x->output->n;
	x->output->n = 0;
	x->output->used = 0;
}

void
output_map_notify_ack(struct xtr *x, const struct datagram *dg,
    const struct map_notify *m, const struct auth_key *key)
{
	const struct map_notify ack = {
		.type = LISP_MAP_NOTIFY_ACK,
		.nonce = m->nonce,
		.auth = { .key_id = key->key_id,
		    .algorithm = key->algorithm,
		    .len = auth_len(key) },
		.n_records = m->n_records,
	};
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	map_notify_header(&w, &ack);
	wire_put_bytes(&w, m->records.at, m->records.len);
	if (w.err || auth_sign(bytes, wire_written(&w), key)) {
		x->counters.output_errors++;
		return;
	}
	output_send(x, dg->to.afi == dg->from.afi ? &dg->to : NULL, &dg->from,
	    dg->port, bytes, wire_written(&w));
	x->counters.map_notify_ack_sent++;
}
