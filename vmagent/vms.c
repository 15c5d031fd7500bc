/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vms.c - the table of VMs.
 *
 * agent.c and its neighbours change the entries; state.c keeps what must
 * survive of them.
 */
#include "vms.h"

#include <stdlib.h>
#include <string.h>

enum err
vms_init(struct vms *v)
{
	return table_init(&v->table, VMS_MAX, offsetof(struct vm, node),
	    offsetof(struct vm, uuid), sizeof(((struct vm *)0)->uuid));
}

void
vms_fini(struct vms *v)
{
	struct table_iter it = table_iter(&v->table);
	struct vm *vm;

	while ((vm = vms_next(&it)))
		vms_remove(v, vm);
	table_fini(&v->table);
}

struct vm *
vms_next(struct table_iter *it)
{
	struct table_node *n = table_next(it); /* the macro looks twice */

	return table_entry(n, struct vm, node);
}

struct vm *
vms_find(const struct vms *v, const uint8_t uuid[16])
{
	return table_entry(table_find(&v->table, uuid), struct vm, node);
}

/* The one that has been gone the longest, or NULL. */
static struct vm *
oldest_gone(const struct vms *v)
{
	struct table_iter it = table_iter(&v->table);
	struct vm *vm, *oldest = NULL;

	while ((vm = vms_next(&it)))
		if (vm->state == VM_ABSENT && !vm_is_open(vm) && !vm->looking &&
		    !vm->due && (!oldest || vm->seen_ms < oldest->seen_ms))
			oldest = vm;
	return oldest;
}

struct vm *
vms_make(struct vms *v, const uint8_t uuid[16], uint8_t forgotten[16],
    bool *did_forget)
{
	struct vm *vm = vms_find(v, uuid);

	*did_forget = false;
	if (vm)
		return vm;
	if (v->table.count >= VMS_MAX) {
		vm = oldest_gone(v);
		if (!vm)
			return NULL;
		memcpy(forgotten, vm->uuid, sizeof(vm->uuid));
		*did_forget = true;
		vms_remove(v, vm);
	}
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return NULL;
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	if (table_add(&v->table, &vm->node)) {
		free(vm);
		return NULL;
	}
	return vm;
}

void
vms_remove(struct vms *v, struct vm *vm)
{
	table_remove(&v->table, &vm->node);
	loop_timer_free(vm->poll);
	free(vm->info);
	free(vm->fresh);
	free(vm->written);
	free(vm);
}

bool
vm_is_owned(const struct vm *vm)
{
	return vm->state == VM_HERE || vm->state == VM_DEPARTING ||
	    vm->state == VM_PAUSED;
}

bool
vm_is_open(const struct vm *vm)
{
	return vm->said[SAID_OWNER].open || vm->said[SAID_MARK].open;
}

const char *
vm_str(const struct vm *vm, char *buf)
{
	return vm->name[0] ? vm->name : uuid_str(vm->uuid, buf);
}
