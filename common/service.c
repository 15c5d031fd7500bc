/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.c - one datagram to the service manager, no core dumps, the allocator.
 *
 * The datagram by hand: the protocol is stable and public, and libsystemd would be a library
 * more for it.
 */
#include "common/service.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MMAP_OCTETS = 256 << 10 };

void
service_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len;
	int fd;

	if (!path || strlen(path) >= sizeof(a.sun_path))
		return;
	len = strlen(path);
	memcpy(a.sun_path, path, len);
	if (a.sun_path[0] == '@')
		a.sun_path[0] = '\0'; /* an abstract one */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, state, strlen(state), 0, (const struct sockaddr *)&a,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

void
service_protect(void)
{
	/* RLIMIT_CORE does not hold for core dumps that go into a pipe. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void
service_allocate(void)
{
	/* Set once, it is no longer adapted, and neither is the trimming. */
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_OCTETS);
	(void)mallopt(M_TRIM_THRESHOLD, MMAP_OCTETS);
	/* Small chunks are put together as they are freed, not a million of
	 * them by the one that is unlucky. */
	(void)mallopt(M_MXFAST, 0);
}
