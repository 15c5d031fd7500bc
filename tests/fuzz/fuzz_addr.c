/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_addr.c - addresses, EIDs and UUIDs as text. */
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = malloc(len + 1), buf[EID_STR_MAX];
	struct addr a, a2;
	struct eid e, e2;
	uint8_t id[16], id2[16];

	memcpy(text, bytes, len);
	text[len] = '\0';
	if (!addr_parse(text, &a)) {
		CHECK(addr_parse(addr_str(&a, buf), &a2) == ERR_OK);
		CHECK(addr_equal(&a, &a2));
	}
	if (!eid_parse(text, &e)) {
		CHECK(eid_parse(eid_str(&e, buf), &e2) == ERR_OK);
		CHECK(eid_equal(&e, &e2) && eid_covers(&e, &e2));
	}
	if (!uuid_parse(text, id)) {
		CHECK(uuid_parse(uuid_str(id, buf), id2) == ERR_OK);
		CHECK(memcmp(id, id2, 16) == 0);
	}
	free(text);
	return 0;
}
