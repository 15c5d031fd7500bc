/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_NETLINK_H
#define XTR_NETLINK_H

/*
 * netlink.h - questions to the kernel over rtnetlink, one at a time.  The only
 * user of libmnl; what the questions mean is route.c's.
 *
 * A question is begun, gets its attributes, and is asked: netlink_call() waits
 * for the acknowledgement, netlink_dump() for the whole list.  A refusal is
 * logged with the kernel's own words.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"

struct netlink;

enum err netlink_open(struct netlink **out) MUST_USE;
void netlink_close(struct netlink *); /* accepts NULL */

/* 'header' is the message's fixed part (struct rtmsg ...), copied. */
void netlink_begin(struct netlink *, uint16_t type, unsigned flags,
    const void *header, size_t len);
void netlink_put_u8(struct netlink *, uint16_t attr, uint8_t);
void netlink_put_u32(struct netlink *, uint16_t attr, uint32_t);
void netlink_put_addr(struct netlink *, uint16_t attr, const struct addr *);

/*
 * 'fine' and 'fine_too' are errno values that mean "is so already"; 0: none.
 * 'what' is for the log.  ERR_IO.
 */
enum err netlink_call(
    struct netlink *, int fine, int fine_too, const char *what) MUST_USE;

/* The attributes of one message of an answer, by type; borrowed. */
#define NETLINK_ATTRS 80
struct netlink_attrs {
	const void *data[NETLINK_ATTRS]; /* NULL: not there */
	uint16_t len[NETLINK_ATTRS];
};
/* 'otherwise' if it is not there. */
uint32_t
netlink_u32(const struct netlink_attrs *, unsigned attr, uint32_t otherwise);
/* The address of family 'afi', all zeros if it is not there. */
struct addr
netlink_addr(const struct netlink_attrs *, unsigned attr, uint16_t afi);

/*
 * A question with one answer, which goes to 'fn'.  ERR_NOT_FOUND, not logged, if
 * the kernel refuses with one of the errno values in 'none', which ends with 0;
 * ERR_IO for any other.
 */
enum err netlink_ask(struct netlink *,
    void (*fn)(void *arg, const void *header, const struct netlink_attrs *),
    void *arg, const int *none, const char *what) MUST_USE;

/*
 * Calls 'fn' for every message of the answer, with its fixed part; 'fn' must
 * not ask the next question.  ERR_IO.
 */
enum err netlink_dump(struct netlink *,
    void (*fn)(void *arg, const void *header, const struct netlink_attrs *),
    void *arg, const char *what) MUST_USE;

#endif
