/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_CTL_H
#define VMAGENT_CTL_H

/*
 * ctl.h - 'show' and 'reload' over the control socket; vmagent(8) has the rows.
 */
#include <stdbool.h>

#include "vmagent/agent.h"

/* Opens a->conf->control.socket as a->ctl.  False after a logged error. */
bool ctl_open(struct agent *);

#endif
