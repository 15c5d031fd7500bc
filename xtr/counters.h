/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_COUNTERS_H
#define XTR_COUNTERS_H

/*
 * counters.h - every counter of xtrd, one row each: member, name for people
 * and programs.  Sent, retried, given up of every repeated message; refusals
 * of received ones by type and reason.
 */
#include <stdint.h>

#include "common/err.h"

#define COUNTER_LIST(X) \
	X(map_request_sent, "map-request.sent") \
	X(map_request_retried, "map-request.retried") \
	X(map_request_given_up, "map-request.given-up") \
	X(map_request_refused, "map-request.table-full") \
	X(subscribe_sent, "subscribe.sent") \
	X(subscribe_confirmed, "subscribe.confirmed") \
	X(subscribe_refused, "subscribe.refused") \
	X(unsubscribe_sent, "unsubscribe.sent") \
	X(publication_received, "publication.received") \
	X(publication_ignored, "publication.ignored") \
	X(map_cache_evicted, "map-cache.evicted") \
	X(map_cache_expired, "map-cache.expired") \
	X(map_reply_ignored, "map-reply.record-ignored") \
	X(map_reply_sent, "map-reply.sent") \
	X(map_reply_limited, "map-reply.limited") \
	X(map_register_sent, "map-register.sent") \
	X(map_register_retried, "map-register.retried") \
	X(map_register_other_key, "map-register.other-key") \
	X(map_register_given_up, "map-register.given-up") \
	X(map_register_delayed, "map-register.delayed") \
	X(map_notify_sent, "map-notify.sent") \
	X(map_notify_retried, "map-notify.retried") \
	X(map_notify_given_up, "map-notify.given-up") \
	X(map_notify_ack_sent, "map-notify-ack.sent") \
	X(reach_down, "rloc.went-down") \
	X(reach_up, "rloc.came-up") \
	X(reach_full, "rloc.table-full") \
	X(icmp_hints, "icmp.hint") \
	X(icmp_ignored, "icmp.ignored") \
	X(echo_works, "echo-nonce.works") \
	X(echo_fails, "echo-nonce.fails") \
	X(status_bits_changed, "status-bits.changed") \
	X(status_bits_ignored, "status-bits.ignored") \
	X(version_asked, "map-version.asked") \
	X(probe_sent, "probe.sent") \
	X(probe_retried, "probe.retried") \
	X(probe_answered, "probe.answered") \
	X(probe_missed, "probe.missed") \
	X(probe_delayed, "probe.delayed") \
	X(probe_changed_set, "probe.other-locators") \
	X(smr_sent, "smr.sent") \
	X(smr_retried, "smr.retried") \
	X(smr_given_up, "smr.given-up") \
	X(smr_converged, "smr.converged") \
	X(smr_limited, "smr.limited") \
	X(smr_received, "smr.received") \
	X(smr_ignored, "smr.ignored") \
	X(smr_delayed, "smr.delayed") \
	X(smr_forgotten, "smr.forgotten") \
	X(partner_told, "partner.told") \
	X(cpm_ack_sent, "cpm-ack.sent") \
	X(ack_unmatched, "cpm-ack.unmatched") \
	X(cpm_duplicate, "cpm.duplicate") \
	X(cpm_tie, "cpm.tie") \
	X(cpm_alarm, "cpm.alarm") \
	X(notify_sent, "cpm-notify.sent") \
	X(notify_retried, "cpm-notify.retried") \
	X(notify_given_up, "cpm-notify.given-up") \
	X(requesters_sent, "cpm-requesters.sent") \
	X(requesters_retried, "cpm-requesters.retried") \
	X(requesters_given_up, "cpm-requesters.given-up") \
	X(moves, "mobility.moves") \
	X(local_overflow, "mobility.table-full") \
	X(data_encapsulated, "data.encapsulated") \
	X(data_decapsulated, "data.decapsulated") \
	X(data_reencapsulated, "data.reencapsulated") \
	X(data_to_partner, "data.to-partner") \
	X(data_native, "data.native") \
	X(data_to_petr, "data.to-petr") \
	X(data_petr, "data.petr") \
	X(data_queued, "data.queued") \
	X(data_drop_miss, "data.drop.queue-full") \
	X(data_drop_unanswered, "data.drop.unanswered") \
	X(data_drop_held, "data.drop.held") \
	X(data_drop_arriving, "data.drop.arriving") \
	X(data_drop_split, "data.drop.split-horizon") \
	X(data_drop_not_local, "data.drop.not-a-local-eid") \
	X(data_drop_source, "data.drop.source") \
	X(data_drop_relay, "data.drop.petr-source") \
	X(data_drop_negative, "data.drop.negative") \
	X(data_drop_no_locator, "data.drop.no-locator") \
	X(data_drop_malformed, "data.drop.malformed") \
	X(data_drop_version, "data.drop.map-version") \
	X(data_drop_ttl, "data.drop.ttl") \
	X(data_drop_ecn, "data.drop.ecn") \
	X(data_drop_mtu, "data.drop.too-big") \
	X(data_drop_io, "data.drop.device") \
	X(registrations_expired, "map-server.expired") \
	X(registrations_moved, "map-server.moved") \
	X(registrations_refused, "map-server.record-refused") \
	X(notices_full, "map-notify.table-full") \
	X(map_request_forwarded, "map-request.forwarded") \
	X(map_request_limited, "map-request.forward-limited") \
	X(map_reply_negative, "map-reply.negative") \
	X(subscriptions_taken, "subscription.taken") \
	X(subscriptions_refused, "subscription.refused") \
	X(subscriptions_full, "subscription.table-full") \
	X(subscriptions_expired, "subscription.expired") \
	X(publication_sent, "publication.sent") \
	X(publication_retried, "publication.retried") \
	X(publication_given_up, "publication.given-up") \
	X(store_errors, "store.errors") \
	X(kernel_errors, "kernel.errors") \
	X(output_errors, "output.errors")

struct counters {
#define COUNTER_MEMBER(member, name) uint64_t member;
	COUNTER_LIST(COUNTER_MEMBER)
#undef COUNTER_MEMBER
	/* Received control messages: by type, accepted (ERR_OK) or why not. */
	uint64_t rx[16][ERR_COUNT];
};

#endif
