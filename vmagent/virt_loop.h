/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_VIRT_LOOP_H
#define VMAGENT_VIRT_LOOP_H

/*
 * virt_loop.h - libvirt's event loop is ours: virEventRegisterImpl() on top of
 * common/loop.h.
 */
#include "common/err.h"
#include "common/loop.h"

/*
 * Registers with libvirt, once in the life of a process and before the first
 * connection.  'loop' is borrowed.  ERR_INTERNAL if somebody else has
 * registered before.
 */
enum err virt_loop_init(struct loop *loop) MUST_USE;

/*
 * After the last connection is closed and before loop_free(): runs the free
 * functions that libvirt still has to get.
 */
void virt_loop_fini(void);

#endif
