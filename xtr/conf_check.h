/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_CONF_CHECK_H
#define XTR_CONF_CHECK_H

/*
 * conf_check.h - the rules across fields of xtrd's configuration.  Called by
 * conf.c after every single value was accepted, and by nobody else.
 */
#include "conf.h"

/*
 * Fills in what depends on more than one field (names resolved, keys made,
 * xTR-IDs derived, instance-IDs of prefixes) and reports every breach of a rule
 * with conf_error().
 */
void conf_check(struct xtr_conf *);

#endif
