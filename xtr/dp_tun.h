/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_DP_TUN_H
#define XTR_DP_TUN_H

/*
 * dp_tun.h - the user-space data plane, beside its ops in dp.h.
 */
#include "common/err.h"

/*
 * Removes the persistent device; ERR_OK if there is none.  ERR_IO if a process
 * has it open, or the kernel refuses.
 */
enum err dp_tun_remove(const char *device) MUST_USE;

#endif
