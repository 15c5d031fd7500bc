/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_DRY_RUN_H
#define VMAGENT_DRY_RUN_H

/*
 * dry_run.h - vmagent --dry-run: messages go to stdout instead of the xTRs.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

/* notify_hooks.send: one line a message. */
void dry_run_send(void *agent, const struct addr *to, uint16_t port,
    const uint8_t *bytes, size_t len);

#endif
