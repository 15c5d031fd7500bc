/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_cpm.c - ops 1, 3 and 4 of the CPM family and their MAC, docs/cpm.md 3.2.
 *
 * What is to be answered with Ack status 5 is walked too: the answer is made
 * from its fields.
 */
#include "fuzz.h"

static void
peers_walk(const uint8_t *bytes, size_t len, const struct cpm *m)
{
	struct records_peers peers = m->peers;
	struct cpm_peer p;

	if (!peers.left)
		return;
	inside(bytes, len, peers.at, peers.len);
	while (cpm_peer_next(&peers, &p)) {
		CHECK(p.kind >= CPM_PEER && p.kind <= CPM_MAC);
		CHECK(p.kind == CPM_OWNER || !addr_is_martian(&p.addr));
	}
	CHECK(peers.left == 0 && peers.len == 0);
}

static void
fields_walk(const uint8_t *bytes, size_t len, const struct cpm *m)
{
	CHECK(m->n_eids <= CPM_EIDS_MAX);
	for (unsigned i = 0; i < m->n_eids; i++)
		for (unsigned k = 0; k < i; k++)
			CHECK(!eid_equal(&m->eids[i], &m->eids[k]));
	peers_walk(bytes, len, m);
}

static void
walk(const uint8_t *bytes, size_t len, const struct cpm *m)
{
	uint8_t *copy = malloc(len);

	fields_walk(bytes, len, m);
	CHECK(m->n_eids && m->part && m->part <= m->parts);
	CHECK(m->generation >> 63 == 0);
	memcpy(copy, bytes, len);
	mac_walk(copy, len);
	free(copy);
}

static enum err
decode(const uint8_t *bytes, size_t len, struct cpm *out)
{
	enum err err = cpm_decode(bytes, len, CPM_SUBTYPE, out);

	if (err == ERR_UNSUPPORTED)
		fields_walk(bytes, len, out);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(cpm, decode, cpm_reencode, walk, bytes, len);
	return 0;
}
