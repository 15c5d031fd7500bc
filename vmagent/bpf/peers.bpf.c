/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * peers.bpf.c - notes whom the guest behind a tap talks to.
 *
 * Two programs a tap, on its clsact ingress (from the guest) and egress (to the
 * guest), the same for all taps; the maps of a tap are found by its ifindex.
 * An address is first in the map 'one_way' and goes to 'two_way' with the first
 * packet in the other direction.  Both forget what was quiet the longest; so a
 * scan, which gets no answers, pushes out other one-way entries only.
 *
 * Packets are never changed, and always go on to the next filter.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "shared.h"

enum {
	SENT = 1,
	RECEIVED = 2,
	NICS = 4096,
	PEERS_DEFAULT = 2048,
	ND_TYPE_AT = 14 + 40, /* Ethernet, IPv6 */
	ND_FIRST = 133,
	ND_LAST = 137,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NICS);
	__type(key, __u32);
	__type(value, struct peer_nic_value);
} nics SEC(".maps");

struct per_nic {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PEERS_DEFAULT);
	/* Sizes: clang 14 drops the types of an inner map from the BTF. */
	__uint(key_size, sizeof(struct peer_key));
	__uint(value_size, sizeof(struct peer_value));
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, NICS);
	__type(key, __u32);
	__array(values, struct per_nic);
} one_way SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, NICS);
	__type(key, __u32);
	__array(values, struct per_nic);
} two_way SEC(".maps");

static __always_inline int
mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] &&
	    a[4] == b[4] && a[5] == b[5];
}

/* Multicast, broadcast, loopback, link-local, unspecified: no peers. */
static __always_inline int
no_peer4(__u32 a)
{
	__u32 h = bpf_ntohl(a);

	return h >> 24 == 0 || h >> 24 == 127 || h >> 28 >= 14;
}

static __always_inline int
no_peer6(const __u8 *a)
{
	return a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
	    (a[0] == 0 && a[1] == 0);
}

/* Neighbour discovery is with the gateway, which is no peer. */
static __always_inline int
is_nd(struct __sk_buff *skb, __u8 next)
{
	__u8 type;

	return next == IPPROTO_ICMPV6 &&
	    bpf_skb_load_bytes(skb, ND_TYPE_AT, &type, sizeof(type)) == 0 &&
	    type >= ND_FIRST && type <= ND_LAST;
}

static __always_inline void
seen(struct peer_value *v, __u32 len)
{
	v->last_ns = bpf_ktime_get_ns();
	__sync_fetch_and_add(&v->bytes, len);
}

static __always_inline void
note(__u32 ifindex, const struct peer_key *key, __u32 dir, __u32 len)
{
	void *one = bpf_map_lookup_elem(&one_way, &ifindex);
	void *two = bpf_map_lookup_elem(&two_way, &ifindex);
	struct peer_value *v, fresh = { .dirs = dir };

	if (!one || !two)
		return;
	v = bpf_map_lookup_elem(two, key);
	if (v) {
		seen(v, len);
		return;
	}
	v = bpf_map_lookup_elem(one, key);
	if (v && v->dirs == dir) {
		seen(v, len);
		return;
	}
	if (v)
		fresh.bytes = v->bytes;
	seen(&fresh, len);
	if (!v) {
		bpf_map_update_elem(one, key, &fresh, BPF_ANY);
		return;
	}
	fresh.dirs = SENT | RECEIVED;
	bpf_map_update_elem(two, key, &fresh, BPF_ANY);
	bpf_map_delete_elem(one, key);
}

static __always_inline int
look(struct __sk_buff *skb, __u32 dir)
{
	__u32 ifindex = skb->ifindex;
	const struct peer_nic_value *nic = bpf_map_lookup_elem(&nics, &ifindex);
	struct ethhdr eth;
	struct peer_key key = {};

	if (!nic || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) < 0)
		return TC_ACT_UNSPEC;
	if (eth.h_dest[0] & 1)
		return TC_ACT_UNSPEC; /* to a group: that is nobody */
	/* A bridge floods frames that are for others. */
	if (!nic->any_mac &&
	    !mac_equal(nic->mac, dir == SENT ? eth.h_source : eth.h_dest))
		return TC_ACT_UNSPEC;
	if (eth.h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;
		__u32 a;

		if (bpf_skb_load_bytes(skb, sizeof(eth), &ip, sizeof(ip)) < 0)
			return TC_ACT_UNSPEC;
		a = dir == SENT ? ip.daddr : ip.saddr;
		if (no_peer4(a))
			return TC_ACT_UNSPEC;
		key.addr[10] = key.addr[11] = 0xff;
		__builtin_memcpy(key.addr + 12, &a, sizeof(a));
	} else if (eth.h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, sizeof(eth), &ip, sizeof(ip)) < 0)
			return TC_ACT_UNSPEC;
		__builtin_memcpy(key.addr, dir == SENT ? &ip.daddr : &ip.saddr,
		    sizeof(key.addr));
		if (no_peer6(key.addr) || is_nd(skb, ip.nexthdr))
			return TC_ACT_UNSPEC;
	} else {
		return TC_ACT_UNSPEC;
	}
	note(ifindex, &key, dir, skb->len);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int
from_guest(struct __sk_buff *skb)
{
	return look(skb, SENT);
}

SEC("tc")
int
to_guest(struct __sk_buff *skb)
{
	return look(skb, RECEIVED);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
