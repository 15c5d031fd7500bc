/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers.c - which vNICs are watched, how, and what was seen on all of a VM's.
 *
 * agent.c starts a watch when it knows a VM's taps and reads it when copying
 * begins (the tap is gone before the source hears of the end) and for the
 * metadata.  peers_bpf.c is tried first, peers_packet.c where it fails.
 */
#include "peers.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/table.h"
#include "peers_source.h"

struct watch_key {
	uint8_t uuid[16];
	struct addr mac;
};

struct watch {
	struct table_node node;
	struct watch_key key;
	char ifname[EIDS_IFNAME_MAX];
	unsigned ifindex;
	const struct peer_source *source;
	void *state; /* the source's */
	void *watch;
};

struct peers {
	struct loop *loop;
	struct peers_conf conf;
	struct {
		const struct peer_source *source;
		void *state;
	} sources[2]; /* in order of preference; NULL ends */
	struct table watches;
	struct peer_seen *seen; /* room for a VM's */
	unsigned seen_max;
};

static void
source_add(struct peers *p, const struct peer_source *s)
{
	void *state = s->open(p->loop, p->conf.max);
	size_t i = p->sources[0].source ? 1 : 0;

	if (!state)
		return;
	p->sources[i].source = s;
	p->sources[i].state = state;
}

struct peers *
peers_new(struct loop *loop, const struct peers_conf *conf)
{
	struct peers *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = loop;
	p->conf = *conf;
	p->seen_max = conf->max * 4;
	p->seen = calloc(p->seen_max, sizeof(*p->seen));
	if (!p->seen ||
	    table_init(&p->watches, PEERS_WATCHES_MAX,
		offsetof(struct watch, node), offsetof(struct watch, key),
		sizeof(struct watch_key))) {
		free(p->seen);
		free(p);
		return NULL;
	}
	if (conf->source == CONF_PEERS_AUTO || conf->source == CONF_PEERS_BPF)
		source_add(p, &peers_bpf);
	if (conf->source == CONF_PEERS_AUTO ||
	    conf->source == CONF_PEERS_PACKET)
		source_add(p, &peers_packet);
	log_info("peers", "source %s", peers_source(p));
	return p;
}

static void
watch_end(struct peers *p, struct watch *w, bool forget)
{
	table_remove(&p->watches, &w->node);
	w->source->unwatch(w->state, w->watch, forget);
	free(w);
}

void
peers_free(struct peers *p)
{
	struct table_iter it;
	struct table_node *n;

	if (!p)
		return;
	it = table_iter(&p->watches);
	while ((n = table_next(&it)))
		watch_end(p, table_entry(n, struct watch, node), false);
	table_fini(&p->watches);
	for (size_t i = 0; i < 2 && p->sources[i].source; i++)
		p->sources[i].source->close(p->sources[i].state);
	free(p->seen);
	free(p);
}

static struct watch *
watch_find(
    const struct peers *p, const uint8_t uuid[16], const struct vm_nic *nic)
{
	struct watch_key key = { .mac = nic->mac };

	memcpy(key.uuid, uuid, sizeof(key.uuid));
	return table_entry(table_find(&p->watches, &key), struct watch, node);
}

/* With the first source that can; false if none. */
static bool
watch_start(struct peers *p, struct watch *w)
{
	struct peer_nic nic = {
		.mac = w->key.mac, .ifname = w->ifname, .ifindex = w->ifindex
	};
	enum err err = ERR_ROLE;

	memcpy(nic.uuid, w->key.uuid, sizeof(nic.uuid));
	for (size_t i = 0; i < 2 && p->sources[i].source; i++) {
		w->source = p->sources[i].source;
		w->state = p->sources[i].state;
		w->watch = w->source->watch(w->state, &nic, &err);
		if (w->watch) {
			log_debug("peers", "%s: watched by %s", w->ifname,
			    w->source->name);
			return true;
		}
	}
	if (err != ERR_ROLE)
		log_warning("peers", "%s: %s", w->ifname, err_str(err));
	return false;
}

static void
watch_add(struct peers *p, const uint8_t uuid[16], const struct vm_nic *nic)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	memcpy(w->key.uuid, uuid, sizeof(w->key.uuid));
	w->key.mac = nic->mac;
	memcpy(w->ifname, nic->ifname, sizeof(w->ifname));
	w->ifindex = if_nametoindex(nic->ifname);
	if (!w->ifindex || table_add(&p->watches, &w->node)) {
		/* No tap of ours: vhost-user, a device passed through. */
		log_debug("peers", "%s: %s", nic->ifname,
		    w->ifindex ? "too many vNICs" : strerror(errno));
		free(w);
		return;
	}
	if (!watch_start(p, w)) {
		table_remove(&p->watches, &w->node);
		free(w);
	}
}

/* True if the tap is still the one that is watched. */
static bool
watch_current(const struct watch *w, const struct vm_nic *nic)
{
	return strcmp(w->ifname, nic->ifname) == 0 &&
	    w->ifindex == if_nametoindex(nic->ifname);
}

void
peers_watch(struct peers *p, const struct vm_info *vm)
{
	for (unsigned i = 0; i < vm->n_nics; i++) {
		const struct vm_nic *nic = &vm->nics[i];
		struct watch *w = watch_find(p, vm->uuid, nic);
		bool wanted = nic->n_eids && nic->ifname[0];

		if (w && wanted && watch_current(w, nic))
			continue;
		if (w)
			watch_end(p, w, !wanted);
		if (wanted && p->sources[0].source)
			watch_add(p, vm->uuid, nic);
	}
}

void
peers_unwatch(struct peers *p, const uint8_t uuid[16])
{
	struct table_iter it = table_iter(&p->watches);
	struct table_node *n;

	while ((n = table_next(&it))) {
		struct watch *w = table_entry(n, struct watch, node);

		if (memcmp(w->key.uuid, uuid, sizeof(w->key.uuid)) == 0)
			watch_end(p, w, true);
	}
}

static bool
is_own(const struct vm_info *vm, const struct peer_seen *s)
{
	for (unsigned i = 0; i < vm->n_nics; i++)
		for (unsigned k = 0; k < vm->nics[i].n_eids; k++) {
			const struct eid *e = &vm->nics[i].eids[k];

			if (e->iid == s->iid && addr_equal(&e->addr, &s->addr))
				return true;
		}
	return false;
}

unsigned
peers_collect(struct peers *p, const struct vm_info *vm, struct cpm_peer *out,
    unsigned max)
{
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < vm->n_nics && n < p->seen_max; i++) {
		struct watch *w = watch_find(p, vm->uuid, &vm->nics[i]);
		unsigned from = n;

		if (!w)
			continue;
		n += w->source->read(
		    w->state, w->watch, p->seen + n, p->seen_max - n);
		for (; from < n; from++)
			p->seen[from].iid = vm->nics[i].iid;
	}
	n = peer_rank(p->seen, n, p->conf.age_s, loop_now(p->loop));
	for (unsigned i = 0; i < n && kept < max; i++)
		if (!is_own(vm, &p->seen[i]))
			out[kept++] = (struct cpm_peer){ .kind = CPM_PEER,
				.iid = p->seen[i].iid,
				.addr = p->seen[i].addr };
	return kept;
}

const char *
peers_source(const struct peers *p)
{
	return p->sources[0].source ? p->sources[0].source->name : "off";
}

unsigned
peers_watched(const struct peers *p)
{
	return (unsigned)p->watches.count;
}
