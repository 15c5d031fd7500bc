/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_RELOAD_H
#define XTR_RELOAD_H

/*
 * reload.h - a new configuration in a running xTR.
 */
#include "xtr/xtr.h"

/*
 * Reads 'file' and goes over to it: nothing that it does not change is touched.
 * On an error nothing has changed and 'error' ('size' octets) has the lines for
 * a person: ERR_POLICY; ERR_NOMEM and ERR_IO may leave parts undone.
 */
enum err
xtr_reload(struct xtr *, const char *file, char *error, size_t size) MUST_USE;

/*
 * Routes, addresses and neighbours once more: an interface of ours came up.
 */
void xtr_reinstall(struct xtr *);

#endif
