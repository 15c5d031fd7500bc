/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REACH_OWN_H
#define XTR_REACH_OWN_H

/*
 * reach_own.h - an RLOC of ours went down or came up: our records say so.
 */
#include "xtr/xtr.h"

/*
 * Every EID of ours registers anew and its peers are solicited, RFC 9301 6.1, 7.
 * reach.c calls it once for all that changed in one turn of the loop.
 */
void reach_own_changed(struct xtr *);

#endif
