/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_row.c - a VM as octets in the state file, and back.
 *
 * Written with wire.h and a version in front, so that no layout of the compiler
 * gets into the file.
 */
#include <string.h>

#include "common/wire.h"
#include "state.h"

static void
said_put(struct wire_writer *w, const struct vm_said *s)
{
	wire_put_u8(w, s->open);
	wire_put_u8(w, s->action);
	wire_put_u64(w, s->generation);
	wire_put_u64(w, s->event_ms);
}

static void
said_get(struct wire_reader *r, struct vm_said *s)
{
	s->open = wire_get_u8(r) != 0;
	s->action = wire_get_u8(r);
	s->generation = wire_get_u64(r);
	s->event_ms = wire_get_u64(r);
	if (s->action >= DO_ACTIONS)
		wire_fail(r, ERR_MALFORMED);
}

static void
addr_put(struct wire_writer *w, const struct addr *a)
{
	wire_put_u16(w, a->afi);
	wire_put_bytes(w, a->bytes, addr_len(a->afi));
}

static struct addr
addr_get(struct wire_reader *r)
{
	uint16_t afi = wire_get_u16(r);
	uint8_t bytes[16] = { 0 };

	if (afi != AFI_NONE && afi != AFI_IPV4 && afi != AFI_IPV6 &&
	    afi != AFI_MAC)
		wire_fail(r, ERR_MALFORMED);
	else
		wire_get_bytes(r, bytes, addr_len(afi));
	return r->err ? (struct addr){ 0 } : addr_make(afi, bytes);
}

static void
nic_put(struct wire_writer *w, const struct vm_nic *nic)
{
	addr_put(w, &nic->mac);
	wire_put_bytes(w, nic->ifname, sizeof(nic->ifname));
	wire_put_u32(w, nic->iid);
	wire_put_u8(w, nic->n_eids);
	for (unsigned i = 0; i < nic->n_eids; i++) {
		wire_put_u32(w, nic->eids[i].iid);
		wire_put_u8(w, nic->eids[i].bits);
		addr_put(w, &nic->eids[i].addr);
	}
}

static void
nic_get(struct wire_reader *r, struct vm_nic *nic)
{
	nic->mac = addr_get(r);
	wire_get_bytes(r, nic->ifname, sizeof(nic->ifname));
	nic->ifname[sizeof(nic->ifname) - 1] = 0;
	nic->iid = wire_get_u32(r);
	nic->n_eids = wire_get_u8(r);
	if (nic->n_eids > EIDS_PER_NIC)
		wire_fail(r, ERR_MALFORMED);
	for (unsigned i = 0; i < nic->n_eids && !r->err; i++) {
		uint32_t iid = wire_get_u32(r);
		uint8_t bits = wire_get_u8(r);
		struct addr a = addr_get(r);

		nic->eids[i] = eid_make(iid, &a, bits);
	}
}

size_t
state_row_encode(const struct vm *vm, uint8_t *out, size_t size)
{
	struct wire_writer w = wire_writer(out, size);
	unsigned n_nics = vm->info ? vm->info->n_nics : 0;

	wire_put_u8(&w, STATE_VERSION);
	wire_put_bytes(&w, vm->uuid, sizeof(vm->uuid));
	wire_put_bytes(&w, vm->name, sizeof(vm->name));
	wire_put_u8(&w, vm->state);
	wire_put_u64(&w, vm->generation);
	wire_put_u64(&w, vm->highest);
	wire_put_u64(&w, vm->seen_ms);
	for (int i = 0; i < SAIDS; i++)
		said_put(&w, &vm->said[i]);
	wire_put_u8(&w, n_nics);
	for (unsigned i = 0; i < n_nics; i++)
		nic_put(&w, &vm->info->nics[i]);
	return w.err ? 0 : wire_written(&w);
}

enum err
state_row_decode(const uint8_t *bytes, size_t len, struct vm *vm)
{
	struct wire_reader r = wire_reader(bytes, len);
	struct vm_info *info = vm->info;

	memset(info, 0, sizeof(*info));
	if (wire_get_u8(&r) != STATE_VERSION)
		wire_fail(&r, ERR_MALFORMED);
	wire_get_bytes(&r, vm->uuid, sizeof(vm->uuid));
	wire_get_bytes(&r, vm->name, sizeof(vm->name));
	vm->name[sizeof(vm->name) - 1] = 0;
	vm->state = wire_get_u8(&r);
	vm->generation = wire_get_u64(&r);
	vm->highest = wire_get_u64(&r);
	vm->seen_ms = wire_get_u64(&r);
	for (int i = 0; i < SAIDS; i++)
		said_get(&r, &vm->said[i]);
	info->n_nics = wire_get_u8(&r);
	if (vm->state >= VM_STATES || info->n_nics > EIDS_NICS_MAX)
		wire_fail(&r, ERR_MALFORMED);
	for (unsigned i = 0; i < info->n_nics && !r.err; i++)
		nic_get(&r, &info->nics[i]);
	if (!r.err && wire_left(&r))
		wire_fail(&r, ERR_MALFORMED);
	memcpy(info->uuid, vm->uuid, sizeof(info->uuid));
	memcpy(info->name, vm->name, sizeof(info->name));
	return r.err;
}
