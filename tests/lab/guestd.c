/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guestd.c - the one service of the laboratory's guest: echo on UDP 7 and TCP 7.
 *
 * Statically linked into the initramfs (guest.py).  It runs on an emulated CPU
 * and answers some thousand packets a second there, so UDP goes in batches: one
 * recvmmsg and one sendmmsg for whatever has come.  A TCP connection that does
 * not take its echo is not read any further, so memory is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_PORT 7
#define BATCH 64
#define UDP_MAX 2048
#define CONNS_MAX 64
#define CONN_BUFFER 65536
#define EVENTS 16

struct conn {
	int fd;		   /* 0: free */
	size_t start, end; /* bytes of 'data' still to be echoed */
	char data[CONN_BUFFER];
};

static struct conn *conns[CONNS_MAX];

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
listen_on(int type)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(ECHO_PORT),
	};
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0);
	int on = 1, off = 0, bytes = 1 << 20;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, CONNS_MAX) < 0)
		die("listen");
	return fd;
}

static void
watch(int ep, int op, int fd, uint32_t events, void *what)
{
	struct epoll_event e = { .events = events, .data.ptr = what };

	if (epoll_ctl(ep, op, fd, &e) < 0)
		die("epoll_ctl");
}

/* Echoes all that has come; what the socket does not take is lost, as UDP is. */
static void
udp_ready(int fd)
{
	static char data[BATCH][UDP_MAX];
	static struct sockaddr_storage from[BATCH];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int n, sent, i;

	do {
		for (i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ data[i], UDP_MAX };
			msgs[i].msg_hdr = (struct msghdr){
				.msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
			};
		}
		n = recvmmsg(fd, msgs, BATCH, 0, NULL);
		if (n <= 0)
			return;
		for (i = 0; i < n; i++)
			iov[i].iov_len = msgs[i].msg_len;
		for (i = 0; i < n; i += sent) {
			sent = sendmmsg(fd, msgs + i, (unsigned)(n - i), 0);
			if (sent <= 0)
				sent =
				    1; /* this one not; go on with the next */
		}
	} while (n == BATCH);
}

static void
conn_close(int ep, struct conn *c)
{
	epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	c->fd = 0;
}

static void
tcp_accept(int ep, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	int i, on = 1;

	if (fd < 0)
		return;
	for (i = 0; i < CONNS_MAX; i++) {
		if (!conns[i] && !(conns[i] = calloc(1, sizeof(*conns[i]))))
			break;
		if (!conns[i]->fd) {
			setsockopt(
			    fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			conns[i]->fd = fd;
			conns[i]->start = conns[i]->end = 0;
			watch(ep, EPOLL_CTL_ADD, fd, EPOLLIN, conns[i]);
			return;
		}
	}
	close(fd);
}

/* Reads into the empty buffer, or writes what it holds; never both at once. */
static void
tcp_ready(int ep, struct conn *c)
{
	ssize_t n;

	if (c->start == c->end) {
		n = read(c->fd, c->data, sizeof(c->data));
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_close(ep, c);
			return;
		}
		c->start = 0;
		c->end = (size_t)n;
	}
	n = write(c->fd, c->data + c->start, c->end - c->start);
	if (n < 0 && errno != EAGAIN) {
		conn_close(ep, c);
		return;
	}
	if (n > 0)
		c->start += (size_t)n;
	watch(ep, EPOLL_CTL_MOD, c->fd, c->start == c->end ? EPOLLIN : EPOLLOUT,
	    c);
}

int
main(void)
{
	struct epoll_event events[EVENTS];
	int udp = listen_on(SOCK_DGRAM), tcp = listen_on(SOCK_STREAM);
	int ep = epoll_create1(0), n, i;

	if (ep < 0)
		die("epoll_create1");
	watch(ep, EPOLL_CTL_ADD, udp, EPOLLIN, &udp);
	watch(ep, EPOLL_CTL_ADD, tcp, EPOLLIN, &tcp);
	for (;;) {
		n = epoll_wait(ep, events, EVENTS, -1);
		for (i = 0; i < n; i++) {
			if (events[i].data.ptr == &udp)
				udp_ready(udp);
			else if (events[i].data.ptr == &tcp)
				tcp_accept(ep, tcp);
			else
				tcp_ready(ep, events[i].data.ptr);
		}
	}
}
