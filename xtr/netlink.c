/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.c - one rtnetlink socket: question, answer, the kernel's words.
 *
 * Below route.c.  Blocking on purpose: an answer takes tens of microseconds,
 * and the callers may go on only when the kernel has it (an EID is announced
 * after its route is there).
 */
#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/log.h"

#define SEND_SIZE 512
#define RECEIVE_SIZE 32768

struct netlink {
	struct mnl_socket *socket;
	uint32_t seq;
	size_t header_len;
	_Alignas(8) uint8_t send[SEND_SIZE];
	_Alignas(8) uint8_t receive[RECEIVE_SIZE];
};

enum err
netlink_open(struct netlink **out)
{
	struct netlink *n = calloc(1, sizeof(*n));
	int on = 1;

	if (!n)
		return ERR_NOMEM;
	n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!n->socket ||
	    mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		log_error("route", "rtnetlink: %s", strerror(errno));
		netlink_close(n);
		return ERR_IO;
	}
	/* The kernel's words with a refusal; in a list only what was asked. */
	mnl_socket_setsockopt(n->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(
	    n->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	n->seq = (uint32_t)time(NULL);
	*out = n;
	return ERR_OK;
}

void
netlink_close(struct netlink *n)
{
	if (!n)
		return;
	if (n->socket)
		mnl_socket_close(n->socket);
	free(n);
}

/* Questions. */

static struct nlmsghdr *
message(struct netlink *n)
{
	return (struct nlmsghdr *)(void *)n->send;
}

void
netlink_begin(struct netlink *n, uint16_t type, unsigned flags,
    const void *header, size_t len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(n->send);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = ++n->seq;
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), header, len);
	n->header_len = len;
}

void
netlink_put_u8(struct netlink *n, uint16_t attr, uint8_t value)
{
	mnl_attr_put_u8(message(n), attr, value);
}

void
netlink_put_u32(struct netlink *n, uint16_t attr, uint32_t value)
{
	mnl_attr_put_u32(message(n), attr, value);
}

void
netlink_put_addr(struct netlink *n, uint16_t attr, const struct addr *a)
{
	mnl_attr_put(message(n), attr, addr_len(a->afi), a->bytes);
}

/* Answers. */

static enum err
failed(const char *what, int error, const char *words)
{
	log_error("route", "%s: %s%s%s", what, strerror(error),
	    *words ? ": " : "", words);
	return ERR_IO;
}

/* The kernel's own words in an NLMSG_ERROR, or "". */
static const char *
kernel_words(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*e);
	struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return "";
	/* The question stands in between, unless it was cut off. */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) &&
	    e->msg.nlmsg_len > sizeof(e->msg))
		skip += e->msg.nlmsg_len - sizeof(e->msg);
	if (mnl_nlmsg_get_payload_len(nlh) < skip)
		return "";
	mnl_attr_for_each(attr, nlh, (unsigned)skip)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attr);
	}
	return "";
}

/* The next datagram of the kernel; its length, or -1 with errno. */
static ssize_t
receive(struct netlink *n)
{
	ssize_t len;

	do
		len = mnl_socket_recvfrom(
		    n->socket, n->receive, sizeof(n->receive));
	while (len < 0 && errno == EINTR);
	return len;
}

enum err
netlink_call(struct netlink *n, int fine, int fine_too, const char *what)
{
	struct nlmsghdr *nlh = message(n);

	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(n->socket, nlh, nlh->nlmsg_len) < 0)
		return failed(what, errno, "");
	for (;;) {
		ssize_t len = receive(n);
		const struct nlmsghdr *in = (const void *)n->receive;
		const struct nlmsgerr *e;

		if (len < 0)
			return failed(what, errno, "");
		/* What is left of an earlier answer has another number. */
		if (!mnl_nlmsg_ok(in, (int)len) || in->nlmsg_seq != n->seq ||
		    in->nlmsg_type != NLMSG_ERROR)
			continue;
		e = mnl_nlmsg_get_payload(in);
		if (!e->error || -e->error == fine || -e->error == fine_too)
			return ERR_OK;
		return failed(what, -e->error, kernel_words(in));
	}
}

struct dump {
	void (*fn)(void *arg, const void *header, const struct netlink_attrs *);
	void *arg;
	size_t header_len;
	struct netlink_attrs attrs;
};

static int
on_message(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	struct nlattr *a;

	if (mnl_nlmsg_get_payload_len(nlh) < d->header_len)
		return MNL_CB_OK;
	memset(&d->attrs, 0, sizeof(d->attrs));
	mnl_attr_for_each(a, nlh, (unsigned)d->header_len)
	{
		unsigned type = mnl_attr_get_type(a);

		if (type < NETLINK_ATTRS) {
			d->attrs.data[type] = mnl_attr_get_payload(a);
			d->attrs.len[type] = mnl_attr_get_payload_len(a);
		}
	}
	d->fn(d->arg, mnl_nlmsg_get_payload(nlh), &d->attrs);
	return MNL_CB_OK;
}

enum err
netlink_dump(struct netlink *n,
    void (*fn)(void *arg, const void *header, const struct netlink_attrs *),
    void *arg, const char *what)
{
	struct dump d = { .fn = fn, .arg = arg, .header_len = n->header_len };
	struct nlmsghdr *nlh = message(n);
	int more = MNL_CB_OK;

	nlh->nlmsg_flags |= NLM_F_DUMP;
	if (mnl_socket_sendto(n->socket, nlh, nlh->nlmsg_len) < 0)
		return failed(what, errno, "");
	while (more > MNL_CB_STOP) {
		ssize_t len = receive(n);

		if (len < 0)
			return failed(what, errno, "");
		more = mnl_cb_run(n->receive, (size_t)len, n->seq,
		    mnl_socket_get_portid(n->socket), on_message, &d);
		/* ESRCH: another question's; EINTR: the list changed while it
		 * was read, and what we have of it is enough. */
		if (more < 0 && (errno == ESRCH || errno == EINTR))
			more = MNL_CB_OK;
		else if (more < 0)
			return failed(what, errno, "");
	}
	return ERR_OK;
}

static bool
is_one_of(int error, const int *list)
{
	while (*list && *list != error)
		list++;
	return *list;
}

enum err
netlink_ask(struct netlink *n,
    void (*fn)(void *arg, const void *header, const struct netlink_attrs *),
    void *arg, const int *none, const char *what)
{
	struct dump d = { .fn = fn, .arg = arg, .header_len = n->header_len };
	struct nlmsghdr *nlh = message(n);

	if (mnl_socket_sendto(n->socket, nlh, nlh->nlmsg_len) < 0)
		return failed(what, errno, "");
	for (;;) {
		ssize_t len = receive(n);
		const struct nlmsghdr *in = (const void *)n->receive;
		const struct nlmsgerr *e;

		if (len < 0)
			return failed(what, errno, "");
		if (!mnl_nlmsg_ok(in, (int)len) || in->nlmsg_seq != n->seq)
			continue;
		if (in->nlmsg_type != NLMSG_ERROR) {
			on_message(in, &d);
			return ERR_OK;
		}
		e = mnl_nlmsg_get_payload(in);
		/* With words it is the question that was wrong. */
		if (is_one_of(-e->error, none) && !*kernel_words(in))
			return ERR_NOT_FOUND;
		return failed(what, -e->error, kernel_words(in));
	}
}

uint32_t
netlink_u32(const struct netlink_attrs *t, unsigned attr, uint32_t otherwise)
{
	uint32_t value;

	if (t->len[attr] < sizeof(value))
		return otherwise;
	memcpy(&value, t->data[attr], sizeof(value));
	return value;
}

struct addr
netlink_addr(const struct netlink_attrs *t, unsigned attr, uint16_t afi)
{
	static const uint8_t zero[16];

	return addr_make(
	    afi, t->len[attr] == addr_len(afi) ? t->data[attr] : zero);
}
