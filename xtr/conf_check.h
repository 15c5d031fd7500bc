/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_CONF_CHECK_H
#define XTR_CONF_CHECK_H

/*
 * conf_check.h - the rules across fields of xtrd's configuration.  Called by
 * conf.c after every single value was accepted, and by nobody else.
 */
#include <stddef.h>

#include "conf.h"

/*
 * Fills in what depends on more than one field (names resolved, keys made,
 * xTR-IDs derived, instance-IDs of prefixes) and reports every breach of a rule
 * with conf_error().
 */
void conf_check(struct xtr_conf *);

/*
 * The rest is between conf_check*.c.  'what' is the path that a message begins
 * with, CONF_WHAT_MAX octets at most; 'pos' the place it names.
 */

enum { CONF_WHAT_MAX = 80 }; /* "mobility.sites[255].xtrs[15]" */

/* An element that may be changed; conf_at() is for everybody else. */
#define conf_edit(list, type, i) (&((type *)(list).items)[i])

/* Sections; in this order, after site, mapping-systems and eids. */
void conf_check_mobility(struct xtr_conf *);
void conf_check_partners(struct xtr_conf *);
void conf_check_proxy(struct xtr_conf *);
void conf_check_map_server(struct xtr_conf *);
void conf_check_pubsub(struct xtr_conf *);

/* 'prefix' in this instance. */
struct eid conf_check_prefix(const struct eid *prefix, int64_t instance_id);
/* Whether the address, in the prefix's instance, lies inside it. */
bool conf_check_covers(const struct eid *prefix, const struct addr *);
/* Whether the list (of struct addr) has it. */
bool conf_check_listed(const struct conf_list *addresses, const struct addr *);
/* The lower one; 'a' may be NULL. */
const struct addr *conf_check_lower(const struct addr *a, const struct addr *b);

/* An address that can be an RLOC, and is not inside EID space. */
void conf_check_rloc(struct xtr_conf *, struct conf_pos pos, const char *what,
    const struct addr *);

/* A Map-Server or -Resolver; one of our own process may be on loopback. */
void conf_check_server(struct xtr_conf *, struct conf_pos pos, const char *what,
    const struct addr *);

/*
 * No two elements of 'size' octets with the same name, which stands at
 * 'name_offset', as the position does at 'pos_offset'.
 */
void
conf_check_names(struct xtr_conf *, const char *what, const struct conf_list *,
    size_t size, size_t name_offset, size_t pos_offset);
#define CONF_CHECK_NAMES(c, what, list, type) \
	conf_check_names(c, what, list, sizeof(struct type), \
	    offsetof(struct type, name), offsetof(struct type, pos))

/* Makes the ring of the rest; for keys towards and of Map-Servers. */
void conf_check_map_keys(struct xtr_conf *, struct conf_pos pos,
    const char *what, struct conf_keys *k);

/*
 * The mapping systems of these names, which can register a prefix; without a
 * name the only one, which is then the name.  Empty after an error.
 */
void conf_check_systems(struct xtr_conf *, struct conf_pos pos,
    const char *what, struct conf_list *names, struct conf_systems *out);

#endif
