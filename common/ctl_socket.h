/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CTL_SOCKET_H
#define COMMON_CTL_SOCKET_H

/*
 * ctl_socket.h - the Unix socket under ctl_server.c: its file, and who may
 * use it.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

/*
 * Listens on 'path', mode 0660, of 'group' (NULL or empty: the process's own;
 * '*gid' is set).  The folder is made if missing; a socket file that nobody
 * listens on is replaced.  -1 after an error, with '*err' ERR_IO (errno says
 * more) or ERR_NOT_FOUND (no such group).  The descriptor is the caller's.
 */
int
ctl_socket_open(const char *path, const char *group, gid_t *gid, enum err *err);

/* True for a client that is root, ourselves, or in 'gid'. */
bool ctl_socket_allowed(int fd, gid_t gid);

#endif
