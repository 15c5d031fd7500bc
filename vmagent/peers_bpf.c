/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers_bpf.c - peers by a tc/eBPF program on the tap (bpf/peers.bpf.c).
 *
 * One program pair is loaded for all taps; each vNIC has two LRU maps of its
 * own, entered under the tap's ifindex.  With a bpffs they are pinned by VM and
 * MAC, so that a restarted agent goes on where the last one was, and the list
 * is there when the tap is not.  The filters stay on the taps when the agent
 * ends; the next one replaces them.  The only user of libbpf.
 */
#include "peers_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/log.h"
#include "vmagent/bpf/shared.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual" /* generated */
#include "vmagent/bpf/peers.skel.h"
#pragma GCC diagnostic pop

#define BPFFS "/sys/fs/bpf"
#define PINS BPFFS "/vmagent"

enum {
	FILTER_PRIORITY = 4342,
	FILTER_HANDLE = 1,
	ORPHAN_MS = 300000, /* pins nobody asked for after that go */
	ENTRIES_MIN = 256,
	PIN_NAME_MAX = 64,
	BATCH = 4096,
};

enum { ONE_WAY, TWO_WAY, MAPS };

struct source {
	struct peers_bpf *skel;
	unsigned entries;
	bool can_pin;
	struct loop_timer *orphans;
	struct watch *watches;
	struct peer_key *keys; /* room for one read */
	struct peer_value *values;
};

struct watch {
	struct watch *next_watch, **prev_watch;
	char name[PIN_NAME_MAX]; /* of its pins, but for the suffix */
	unsigned ifindex;
	int maps[MAPS];
};

static int
print_debug(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[256];

	if (level == LIBBPF_DEBUG || !log_enabled(LOG_LEVEL_DEBUG))
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = 0;
	log_debug("peers", "%s", line);
	return 0;
}

static int
new_map(const char *name, unsigned entries)
{
	return bpf_map_create(BPF_MAP_TYPE_LRU_HASH, name,
	    sizeof(struct peer_key), sizeof(struct peer_value), entries, NULL);
}

static bool
pins_usable(void)
{
	struct statfs fs;

	if (statfs(BPFFS, &fs) < 0 || fs.f_type != BPF_FS_MAGIC)
		return false;
	return mkdir(PINS, 0700) == 0 || errno == EEXIST;
}

static void
pin_path(char *buf, size_t size, const char *name, int which)
{
	snprintf(buf, size, PINS "/%s-%d", name, which);
}

static void
unpin(const char *name)
{
	char path[128];

	for (int i = 0; i < MAPS; i++) {
		pin_path(path, sizeof(path), name, i);
		unlink(path);
	}
}

/* Removes pins of vNICs that nobody has asked to watch. */
static void
on_orphans(void *arg)
{
	struct source *s = arg;
	DIR *dir = opendir(PINS);
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		const struct watch *w = s->watches;
		size_t len = strlen(d->d_name);
		char path[sizeof(PINS) + 256 + 1];

		while (w && strncmp(w->name, d->d_name, strlen(w->name)) != 0)
			w = w->next_watch;
		if (w || len < 3)
			continue;
		snprintf(path, sizeof(path), PINS "/%s", d->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
}

static bool
source_load(struct source *s)
{
	int inner;
	bool ok;

	s->skel = peers_bpf__open();
	inner = new_map("peers", s->entries);
	if (!s->skel || inner < 0) {
		if (inner >= 0)
			close(inner);
		return false;
	}
	ok = bpf_map__set_inner_map_fd(s->skel->maps.one_way, inner) == 0 &&
	    bpf_map__set_inner_map_fd(s->skel->maps.two_way, inner) == 0 &&
	    peers_bpf__load(s->skel) == 0;
	close(inner);
	return ok;
}

static void
source_close(void *source)
{
	struct source *s = source;

	loop_timer_free(s->orphans);
	peers_bpf__destroy(s->skel);
	free(s->keys);
	free(s->values);
	free(s);
}

static void *
source_open(struct loop *loop, unsigned max)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	libbpf_set_print(print_debug);
	s->entries = max < ENTRIES_MIN ? ENTRIES_MIN : max;
	s->can_pin = pins_usable();
	s->keys = calloc(BATCH, sizeof(*s->keys));
	s->values = calloc(BATCH, sizeof(*s->values));
	s->orphans = loop_timer_new(loop, on_orphans, s);
	if (!s->keys || !s->values || !s->orphans || !source_load(s)) {
		log_info("peers", "bpf: %s", strerror(errno));
		source_close(s);
		return NULL;
	}
	if (s->can_pin)
		loop_timer_set(s->orphans, ORPHAN_MS);
	return s;
}

/* A pinned map that fits, or -1. */
static int
pinned_map(const char *path, unsigned entries)
{
	struct bpf_map_info info = { 0 };
	unsigned len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return -1;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	    info.type == BPF_MAP_TYPE_LRU_HASH &&
	    info.key_size == sizeof(struct peer_key) &&
	    info.value_size == sizeof(struct peer_value) &&
	    info.max_entries == entries)
		return fd;
	close(fd);
	unlink(path);
	return -1;
}

/* The pinned one, or a new one, pinned if that can be. */
static int
get_map(const struct source *s, const struct watch *w, int which)
{
	char path[128];
	int fd;

	pin_path(path, sizeof(path), w->name, which);
	fd = s->can_pin ? pinned_map(path, s->entries) : -1;
	if (fd >= 0)
		return fd;
	fd = new_map("peers", s->entries);
	if (fd >= 0 && s->can_pin && bpf_obj_pin(fd, path) < 0)
		log_debug("peers", "%s: %s", path, strerror(errno));
	return fd;
}

/* Enters maps and MAC under the ifindex: the program finds them there. */
static bool
enter(struct source *s, const struct watch *w, const struct peer_nic *nic)
{
	struct peer_nic_value value = { .any_mac = nic->mac.afi != AFI_MAC };

	memcpy(value.mac, nic->mac.bytes, sizeof(value.mac));
	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.one_way),
		   &w->ifindex, &w->maps[ONE_WAY], BPF_ANY) == 0 &&
	    bpf_map_update_elem(bpf_map__fd(s->skel->maps.two_way), &w->ifindex,
		&w->maps[TWO_WAY], BPF_ANY) == 0 &&
	    bpf_map_update_elem(bpf_map__fd(s->skel->maps.nics), &w->ifindex,
		&value, BPF_ANY) == 0;
}

static bool
attach(const struct bpf_program *prog, unsigned ifindex,
    enum bpf_tc_attach_point where)
{
	DECLARE_LIBBPF_OPTS(
	    bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = where);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog),
	    .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
	    .flags = BPF_TC_F_REPLACE);
	int ret = bpf_tc_hook_create(&hook);

	if (ret && ret != -EEXIST)
		return false;
	return bpf_tc_attach(&hook, &opts) == 0;
}

static void
detach(unsigned ifindex, enum bpf_tc_attach_point where)
{
	DECLARE_LIBBPF_OPTS(
	    bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = where);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
	    .priority = FILTER_PRIORITY);

	bpf_tc_detach(&hook, &opts); /* the tap may be gone: no matter */
}

static void
leave(struct source *s, unsigned ifindex)
{
	bpf_map_delete_elem(bpf_map__fd(s->skel->maps.nics), &ifindex);
	bpf_map_delete_elem(bpf_map__fd(s->skel->maps.one_way), &ifindex);
	bpf_map_delete_elem(bpf_map__fd(s->skel->maps.two_way), &ifindex);
}

static void
watch_free(struct watch *w)
{
	for (int i = 0; i < MAPS; i++)
		if (w->maps[i] >= 0)
			close(w->maps[i]);
	free(w);
}

static void
watch_name(struct watch *w, const struct peer_nic *nic)
{
	char uuid[UUID_STR_MAX];
	const uint8_t *m = nic->mac.bytes;

	snprintf(w->name, sizeof(w->name), "%s-%02x%02x%02x%02x%02x%02x",
	    uuid_str(nic->uuid, uuid), m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void *
source_watch(void *source, const struct peer_nic *nic, enum err *err)
{
	struct source *s = source;
	struct watch *w = calloc(1, sizeof(*w));

	*err = ERR_NOMEM;
	if (!w)
		return NULL;
	*err = ERR_IO;
	watch_name(w, nic);
	w->ifindex = nic->ifindex;
	for (int i = 0; i < MAPS; i++)
		w->maps[i] = get_map(s, w, i);
	if (w->maps[ONE_WAY] < 0 || w->maps[TWO_WAY] < 0 || !enter(s, w, nic) ||
	    !attach(s->skel->progs.from_guest, w->ifindex, BPF_TC_INGRESS) ||
	    !attach(s->skel->progs.to_guest, w->ifindex, BPF_TC_EGRESS)) {
		log_debug("peers", "%s: %s", nic->ifname, strerror(errno));
		detach(w->ifindex, BPF_TC_INGRESS);
		leave(s, w->ifindex);
		unpin(w->name);
		watch_free(w);
		return NULL;
	}
	*err = ERR_OK;
	return w;
}

static void
source_unwatch(void *source, void *watch, bool forget)
{
	struct source *s = source;
	struct watch *w = watch;

	if (forget) {
		detach(w->ifindex, BPF_TC_INGRESS);
		detach(w->ifindex, BPF_TC_EGRESS);
		leave(s, w->ifindex);
		unpin(w->name);
	}
	watch_free(w);
}

static void
source_link(void *source, void *watch)
{
	struct source *s = source;
	struct watch *w = watch;

	w->next_watch = s->watches;
	if (w->next_watch)
		w->next_watch->prev_watch = &w->next_watch;
	w->prev_watch = &s->watches;
	s->watches = w;
}

static void
source_unlink(void *source, void *watch)
{
	struct watch *w = watch;

	(void)source;
	if (w->next_watch)
		w->next_watch->prev_watch = w->prev_watch;
	*w->prev_watch = w->next_watch;
}

static void
to_seen(const struct peer_key *key, const struct peer_value *value,
    struct peer_seen *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	*out = (struct peer_seen){ .dirs = (uint8_t)value->dirs,
		.bytes = value->bytes,
		.last = { (int64_t)(value->last_ns / 1000) } };
	if (memcmp(key->addr, mapped, sizeof(mapped)) == 0)
		out->addr = addr_make(AFI_IPV4, key->addr + sizeof(mapped));
	else
		out->addr = addr_make(AFI_IPV6, key->addr);
}

static unsigned
map_read(struct source *s, int fd, struct peer_seen *out, unsigned max)
{
	unsigned n = 0, cursor = 0;
	bool more = true;

	for (void *in = NULL; more && n < max; in = &cursor) {
		unsigned count = max - n < BATCH ? max - n : BATCH;
		int ret = bpf_map_lookup_batch(
		    fd, in, &cursor, s->keys, s->values, &count, NULL);

		if (ret < 0 && errno != ENOENT)
			break; /* ENOSPC: one bucket has more than 'max - n' */
		more = ret == 0;
		for (unsigned i = 0; i < count; i++)
			to_seen(&s->keys[i], &s->values[i], &out[n++]);
	}
	return n;
}

static unsigned
source_read(void *source, void *watch, struct peer_seen *out, unsigned max)
{
	struct source *s = source;
	const struct watch *w = watch;
	unsigned n = map_read(s, w->maps[TWO_WAY], out, max);

	return n + map_read(s, w->maps[ONE_WAY], out + n, max - n);
}

const struct peer_source peers_bpf = { "bpf", source_open, source_close,
	source_watch, source_unwatch, source_link, source_unlink, source_read };
