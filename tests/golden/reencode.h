/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_REENCODE_H
#define TESTS_GOLDEN_REENCODE_H

/*
 * reencode.h - any decoded message back to octets, by the encoders alone.
 *
 * Used by the golden test, which compares with the vector, and by the fuzz
 * targets, which decode again and compare.  Authentication data comes out zero.
 */
#include <stdlib.h>

#include "common/cpm.h"
#include "common/data.h"
#include "common/lcaf.h"
#include "common/msg.h"

static inline void
records_reencode(struct wire_writer *w, struct records records)
{
	struct mapping *m = malloc(sizeof(*m));

	while (records_next(&records, m))
		mapping_encode(w, m);
	free(m);
}

/* With the list item by item. */
static inline void
lcaf_reencode(struct wire_writer *w, const struct lcaf *l)
{
	uint8_t *buf = malloc(LISP_MSG_MAX);
	struct wire_writer items = wire_writer(buf, LISP_MSG_MAX);
	struct lcaf_list list = l->list;
	struct lcaf copy = *l;
	struct lcaf_item item;

	while (lcaf_next(&list, &item))
		lcaf_item_encode(&items, l->type, &item);
	copy.list.at = buf;
	copy.list.len = wire_written(&items);
	lcaf_encode(w, &copy);
	free(buf);
}

static inline void
request_reencode(struct wire_writer *w, const struct map_request *m)
{
	struct map_request *copy = malloc(sizeof(*copy));
	uint8_t *buf = malloc(LISP_MSG_MAX);
	struct wire_writer mapping = wire_writer(buf, LISP_MSG_MAX);

	*copy = *m;
	if (m->has_mapping) {
		records_reencode(&mapping, m->mapping);
		copy->mapping.at = buf;
		copy->mapping.len = wire_written(&mapping);
	}
	map_request_encode(w, copy);
	free(buf);
	free(copy);
}

static inline void
reply_reencode(struct wire_writer *w, const struct map_reply *m)
{
	map_reply_header(w, m);
	records_reencode(w, m->records);
	if (m->security)
		wire_put_bytes(w, m->trailer, m->trailer_len);
}

static inline void
register_reencode(struct wire_writer *w, const struct map_register *m)
{
	map_register_header(w, m);
	records_reencode(w, m->records);
	map_register_trailer(w, m);
}

static inline void
notify_reencode(struct wire_writer *w, const struct map_notify *m)
{
	map_notify_header(w, m);
	records_reencode(w, m->records);
	map_notify_trailer(w, m);
}

static inline void
referral_reencode(struct wire_writer *w, const struct map_referral *m)
{
	struct referral *record = malloc(sizeof(*record));
	struct records records = m->records;

	map_referral_header(w, m);
	while (referrals_next(&records, record))
		referral_encode(w, record);
	free(record);
}

static inline void
cpm_reencode(struct wire_writer *w, const struct cpm *m)
{
	struct cpm_peer *peers = calloc(m->peers.left + 1u, sizeof(*peers));
	struct records_peers left = m->peers;
	unsigned n = 0;

	while (cpm_peer_next(&left, &peers[n]))
		n++;
	cpm_encode(w, m, peers, n);
	free(peers);
}

static inline void
data_reencode(struct wire_writer *w, const struct data_header *h)
{
	data_header_encode(w, h);
	wire_put_bytes(w, h->inner, h->inner_len);
}

#endif
