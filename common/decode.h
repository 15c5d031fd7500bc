/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DECODE_H
#define COMMON_DECODE_H

/*
 * decode.h - what the decoders of msg.h share among themselves.
 */
#include "msg.h"

/* The first word of every message; its type must be 'type'. */
uint32_t decode_first_word(struct wire_reader *, enum lisp_type type);

/* RFC 9301 5.4, from the priority to the locator's address. */
void decode_locator(struct wire_reader *, struct locator *out);

/* An EID, whose mask-len stood before it and must fit; AFI 0 is none. */
void decode_eid(struct wire_reader *, unsigned bits, struct lisp_addr *out);

#endif
