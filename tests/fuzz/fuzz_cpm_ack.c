/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_cpm_ack.c - the Ack of the CPM family and its MAC, docs/cpm.md 3.3. */
#include "fuzz.h"

static void
walk(const uint8_t *bytes, size_t len, const struct cpm_ack *a)
{
	uint8_t *copy = malloc(len);

	CHECK(a->n_eids <= CPM_EIDS_MAX);
	CHECK(a->highest_generation >> 63 == 0);
	CHECK(cpm_status_str(a->status) && cpm_reason_str(a->reason));
	memcpy(copy, bytes, len);
	mac_walk(copy, len);
	free(copy);
}

static enum err
decode(const uint8_t *bytes, size_t len, struct cpm_ack *out)
{
	return cpm_ack_decode(bytes, len, CPM_SUBTYPE, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(cpm_ack, decode, cpm_ack_encode, walk, bytes, len);
	return 0;
}
