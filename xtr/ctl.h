/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_CTL_H
#define XTR_CTL_H

/*
 * ctl.h - xtrd's control socket: common/ctl_server.h with xtrd's commands.
 *
 *	show WHAT	tables, see ctl_show.h
 *	explain EID	what happens to its packets, see ctl_explain.h
 *	move		{"eid":"10.1.1.10","to":"here"}: docs/cpm.md 6.11
 *	reload		reads the configuration file again
 */
#include "xtr/xtr.h"

struct ctl;

#define CTL_ERROR_MAX 4096

/*
 * What "reload" runs: ERR_OK, or an error with its lines in 'error' ('size'
 * octets, NUL-terminated).  It must not stop the control socket.
 */
typedef enum err ctl_reload_fn(void *arg, char *error, size_t size);

/*
 * Listens on conf->control.socket; 'reload' may be NULL.  NULL after logging
 * why.
 */
struct ctl *ctl_start(struct xtr *, ctl_reload_fn *reload, void *arg);
void ctl_stop(struct ctl *); /* accepts NULL */

#endif
