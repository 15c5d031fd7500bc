/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_COMMON_HEX_H
#define TESTS_UNIT_COMMON_HEX_H

/*
 * hex.h - messages written as hex in tests.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Octets from "4003 0000 02"; spaces are skipped. */
static inline size_t
hex(const char *text, uint8_t *out)
{
	unsigned octet;
	size_t n = 0;
	int used;

	while (sscanf(text, " %2x%n", &octet, &used) == 1) {
		out[n++] = (uint8_t)octet;
		text += used;
	}
	return n;
}

#endif
