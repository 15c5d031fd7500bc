/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_probe.c - one TCP session with an echo service, checked byte by byte.
 *
 *     tcp_probe [-r bytes/s] [-d seconds] [-b source] ADDRESS PORT
 *
 * Sends a pseudo-random stream at a steady rate and compares what comes back
 * with the same stream.  On SIGINT, SIGTERM or the end of -d it stops sending,
 * waits for the rest of the echo and prints one JSON object.  "ok" is true only
 * if every byte that was sent came back, in order, over the one connection.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 16384
#define TICK_NS 10000000 /* sends every 10 ms */
#define BACKLOG_MAX \
	(1u << 20) /* not sent when due: at most this is made up for */
#define LINGER_MS 15000.0

/* xorshift64; the same numbers for what is sent and what must come back. */
struct stream {
	uint64_t state, word;
	unsigned left;
};

struct probe {
	int fd;
	double rate;
	uint64_t due, sent, received; /* bytes */
	struct stream out, back;
	char chunk[CHUNK]; /* made from 'out', partly sent */
	size_t at, end;
	double last_ms, stall_ms, stall_start_ms, stall_end_ms;
	const char *error;
};

static char
stream_byte(struct stream *s)
{
	char byte;

	if (!s->left) {
		s->state ^= s->state << 13;
		s->state ^= s->state >> 7;
		s->state ^= s->state << 17;
		s->word = s->state;
		s->left = 8;
	}
	byte = (char)(s->word & 0xff);
	s->word >>= 8;
	s->left--;
	return byte;
}

static double
clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
die(const char *what)
{
	perror(what);
	exit(2);
}

static void
send_due(struct probe *p)
{
	ssize_t n;

	while (p->sent < p->due && !p->error) {
		if (p->at == p->end) {
			p->at = 0;
			p->end = p->due - p->sent < CHUNK
			    ? (size_t)(p->due - p->sent)
			    : CHUNK;
			for (size_t i = 0; i < p->end; i++)
				p->chunk[i] = stream_byte(&p->out);
		}
		n = send(p->fd, p->chunk + p->at, p->end - p->at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			if (errno != EAGAIN)
				p->error = strerror(errno);
			return;
		}
		p->at += (size_t)n;
		p->sent += (uint64_t)n;
	}
}

static void
receive_all(struct probe *p)
{
	char data[CHUNK];
	ssize_t n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT);
	double now = clock_ms(CLOCK_REALTIME);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		p->error = n ? strerror(errno)
			     : "the other side closed the connection";
		return;
	}
	if (p->received && now - p->last_ms > p->stall_ms) {
		p->stall_ms = now - p->last_ms;
		p->stall_start_ms = p->last_ms;
		p->stall_end_ms = now;
	}
	p->last_ms = now;
	for (ssize_t i = 0; i < n; i++, p->received++) {
		if (data[i] != stream_byte(&p->back)) {
			p->error = "a wrong byte came back";
			return;
		}
	}
}

static void
run(struct probe *p, int sigfd, double seconds)
{
	struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };
	double start = clock_ms(CLOCK_MONOTONIC),
	       stop = seconds > 0 ? start + seconds * 1e3 : 0;
	double now, until = 0, paid = start;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct pollfd fds[3] = {
		{ .fd = p->fd, .events = POLLIN },
		{ .fd = timer, .events = POLLIN },
		{ .fd = sigfd, .events = POLLIN },
	};
	uint64_t ticks;

	if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0)
		die("timerfd");
	while (!p->error) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			die("poll");
		now = clock_ms(CLOCK_MONOTONIC);
		if (fds[0].revents)
			receive_all(p);
		if (!until &&
		    ((fds[2].revents & POLLIN) || (stop && now >= stop))) {
			until = now + LINGER_MS;
			fds[2].fd = -1;
			/* What of a chunk is not sent yet still belongs to the stream. */
			p->due = p->sent + (p->end - p->at);
		}
		if (until && p->sent == p->due && p->received == p->sent)
			return;
		if (until && now >= until) {
			p->error = "not everything came back";
			return;
		}
		if (!(fds[1].revents & POLLIN) ||
		    read(timer, &ticks, sizeof(ticks)) < 0)
			continue;
		if (!until && p->due - p->sent < BACKLOG_MAX)
			p->due += (uint64_t)((now - paid) * p->rate / 1e3);
		paid = now;
		send_due(p);
	}
}

static int
open_session(const char *source, const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST };
	struct addrinfo *to, *from = NULL;
	int fd, on = 1;

	if (getaddrinfo(address, port, &hints, &to))
		die(address);
	fd = socket(to->ai_family, SOCK_STREAM, 0);
	if (fd < 0)
		die("socket");
	if (source &&
	    (getaddrinfo(source, NULL, &hints, &from) ||
		bind(fd, from->ai_addr, from->ai_addrlen) < 0))
		die(source);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		die("connect");
	freeaddrinfo(to);
	if (from)
		freeaddrinfo(from);
	return fd;
}

int
main(int argc, char **argv)
{
	struct stream seed = { .state = 0x9e3779b97f4a7c15ULL };
	static struct probe p = { .rate = 65536 };
	const char *source = NULL;
	double seconds = 0;
	sigset_t set;
	int opt, sigfd, ok;

	while ((opt = getopt(argc, argv, "r:d:b:")) != -1) {
		if (opt == 'r')
			p.rate = atof(optarg);
		else if (opt == 'd')
			seconds = atof(optarg);
		else if (opt == 'b')
			source = optarg;
		else
			return 2;
	}
	if (argc - optind != 2 || p.rate <= 0) {
		fprintf(stderr,
		    "usage: tcp_probe [-r bytes/s] [-d seconds] [-b source] "
		    "ADDRESS PORT\n");
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, 0);
	p.out = p.back = seed;
	p.fd = open_session(source, argv[optind], argv[optind + 1]);
	run(&p, sigfd, seconds);
	ok = !p.error && p.sent && p.sent == p.received;
	printf("{\"ok\": %s, \"bytes_sent\": %llu, \"bytes_received\": %llu,\n"
	       " \"stall_ms\": %.3f, \"stall_start_ms\": %.3f, "
	       "\"stall_end_ms\": %.3f, "
	       "\"error\": \"%s\"}\n",
	    ok ? "true" : "false", (unsigned long long)p.sent,
	    (unsigned long long)p.received, p.stall_ms, p.stall_start_ms,
	    p.stall_end_ms, p.error ? p.error : "");
	return ok ? 0 : 1;
}
