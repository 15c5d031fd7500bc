/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

/*
 * service.h - what a daemon tells the system it runs on: its service manager,
 * and how its memory is to be treated.
 */

/*
 * Sends 'state' ("READY=1", "RELOADING=1", "STOPPING=1") by the protocol of
 * sd_notify(3) to the socket that the environment names.  Does nothing without
 * one; a manager that does not listen is no reason to stop, so nothing is
 * returned.
 */
void service_notify(const char *state);

/*
 * No core dump of this process and no look into it by others of its user: its
 * memory holds keys.
 */
void service_protect(void);

/*
 * No single allocation or free takes long: large tables stay out of the heap, so
 * that they grow without being copied (glibc would stop doing so after the first
 * one that is freed), and freed entries are not collected to be dealt with later.
 */
void service_allocate(void);

#endif
