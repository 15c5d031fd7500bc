/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dry_run.c - prints what would be sent, from the very octets.
 */
#include "dry_run.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent.h"
#include "common/cpm.h"

void
dry_run_send(void *agent, const struct addr *to, uint16_t port,
    const uint8_t *bytes, size_t len)
{
	const struct agent *a = agent;
	char addr[ADDR_STR_MAX], eid[EID_STR_MAX], uuid[UUID_STR_MAX];
	struct cpm m;
	struct cpm_peer peer;

	if (cpm_decode(bytes, len, (uint16_t)a->conf->cpm_subtype, &m)) {
		printf("%zu octets that do not decode\n", len);
		return;
	}
	printf("%s port %u: %s vm=%s generation=%" PRIu64 " part=%u/%u eids=",
	    addr_str(to, addr), port, cpm_reason_str(m.reason),
	    uuid_str(m.vm_id, uuid), m.generation, m.part, m.parts);
	for (unsigned i = 0; i < m.n_eids; i++)
		printf("%s%s", i ? "," : "", eid_str(&m.eids[i], eid));
	if (m.has_mac)
		printf(" mac=%s", addr_str(&m.mac, addr));
	for (const char *sep = " peers="; cpm_peer_next(&m.peers, &peer);)
		if (peer.kind == CPM_PEER) {
			printf("%s%s", sep, addr_str(&peer.addr, addr));
			sep = ",";
		}
	printf("\n");
	fflush(stdout);
}
