/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SYSCTL_H
#define XTR_SYSCTL_H

/*
 * sysctl.h - kernel parameters below /proc/sys.  Names are written with
 * slashes, because interface names have dots: "net/ipv4/conf/br0/proxy_arp".
 */
#include <stddef.h>

#include "common/err.h"

/* Writes unless the value is there already.  ERR_IO after logging why. */
enum err sysctl_write(const char *name, const char *value) MUST_USE;

/* A parameter of an interface: 'family' "ipv4" or "ipv6", 'kind' "conf" ... */
enum err sysctl_write_if(const char *family, const char *kind,
    const char *interface, const char *name, const char *value) MUST_USE;

/* The value without its newline; ERR_IO (unlogged) if it cannot be read. */
enum err sysctl_read(const char *name, char *out, size_t size) MUST_USE;

/*
 * Turns the IPv4 reverse-path filter off on 'interface'.  The kernel uses the
 * larger of "all" and the interface's own; so where "all" is set, its value
 * moves to every other interface first and nothing else changes.
 */
enum err sysctl_rp_filter_off(const char *interface) MUST_USE;

#endif
