/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LISP_H
#define COMMON_LISP_H

/*
 * lisp.h - numbers of the protocol and the product's limits, each with its
 * source: an RFC section, or "ours" where no RFC names one.
 */

#define LISP_CONTROL_PORT 4342 /* RFC 9301 12.1 */
#define LISP_DATA_PORT 4341    /* RFC 9300 19.1 */

enum lisp_type { /* RFC 9301 5.1 */
	LISP_MAP_REQUEST = 1,
	LISP_MAP_REPLY = 2,
	LISP_MAP_REGISTER = 3,
	LISP_MAP_NOTIFY = 4,
	LISP_MAP_NOTIFY_ACK = 5,
	LISP_MAP_REFERRAL = 6,
	LISP_INFO = 7,
	LISP_ECM = 8,
	LISP_SHARED = 15, /* RFC 9304 */
};

enum lisp_action { /* RFC 9301 12.3 */
	LISP_NO_ACTION = 0,
	LISP_NATIVELY_FORWARD = 1,
	LISP_SEND_MAP_REQUEST = 2,
	LISP_DROP_NO_REASON = 3,
	LISP_DROP_POLICY = 4,
	LISP_DROP_AUTH = 5,
};

enum lisp_referral { /* RFC 8111 6.4 */
	LISP_NODE_REFERRAL = 0,
	LISP_MS_REFERRAL = 1,
	LISP_MS_ACK = 2,
	LISP_MS_NOT_REGISTERED = 3,
	LISP_DELEGATION_HOLE = 4,
	LISP_NOT_AUTHORITATIVE = 5,
};

enum lcaf_type {
	LCAF_NULL = 0,		 /* RFC 8060 3 */
	LCAF_AFI_LIST = 1,	 /* RFC 8060 4.10 */
	LCAF_INSTANCE = 2,	 /* RFC 8060 4.1 */
	LCAF_AS_NUMBER = 3,	 /* RFC 8060 4.2 */
	LCAF_APPLICATION = 4,	 /* RFC 8060 5.1 */
	LCAF_GEO = 5,		 /* RFC 8060 4.3 */
	LCAF_OPAQUE_KEY = 6,	 /* RFC 8060 5.2 */
	LCAF_NAT = 7,		 /* RFC 8060 4.4 */
	LCAF_NONCE = 8,		 /* RFC 8060 5.3 */
	LCAF_MULTICAST = 9,	 /* RFC 8060 4.5 */
	LCAF_ELP = 10,		 /* RFC 8060 4.6 */
	LCAF_SECURITY_KEY = 11,	 /* RFC 8060 4.7 */
	LCAF_SOURCE_DEST = 12,	 /* RFC 8060 4.8 */
	LCAF_REPLICATION = 13,	 /* RFC 8060 4.9 */
	LCAF_JSON = 14,		 /* RFC 8060 5.4 */
	LCAF_KEY_VALUE = 15,	 /* RFC 8060 5.5 */
	LCAF_ENCAPSULATION = 16, /* RFC 8060 5.6 */
	LCAF_VENDOR = 255,	 /* RFC 9306 4 */
};

enum {
	LCAF_HEADER = 8, /* octets before the body, AFI included */
	LCAF_NAMED_MAX = LCAF_ENCAPSULATION,
	LISP_LCAF_DEPTH_MAX = 4, /* ours */
	LISP_LOCATORS_MAX = 255, /* RFC 9301 5.4 */
	LISP_RECORDS_MAX = 255,
	LISP_ITR_RLOCS_MAX = 32,      /* RFC 9301 5.2 */
	LISP_SIGNATURES_MAX = 15,     /* RFC 8111 6.4, per record */
	LISP_MSG_MAX = 65507,	      /* UDP over IPv4 */
	LISP_PAYLOAD_IPV4 = 548,      /* RFC 9301 5: packet <= 576 */
	LISP_PAYLOAD_IPV6 = 1232,     /* packet <= 1280 */
	LISP_PRIORITY_UNUSABLE = 255, /* RFC 9301 5.4 */
	LISP_DATA_HEADER = 8,	      /* RFC 9300 5 */
};

#define LISP_TTL_LOCAL UINT32_C(0xffffffff) /* receiver decides */

/* Timers; seconds unless named otherwise. */
enum {
	REGISTER_INTERVAL_S = 60,   /* RFC 9301 8.2 */
	REGISTER_EXPIRY_S = 180,    /* RFC 9301 8.2 */
	REGISTER_RETRY_FIRST_S = 1, /* RFC 9301 5.7, doubling */
	REGISTER_RETRY_MAX_S = 60,
	REGISTER_BURST = 16,   /* ours: per prefix in 20 s */
	REGISTER_BURST_S = 20, /* RFC 9301 8.2 */
	NOTIFY_RETRY_S = 3,    /* RFC 9301 5.7: 3 at 3 s, then doubling */
	NOTIFY_RETRIES = 6,
	REQUEST_INTERVAL_S = 1, /* RFC 9301 5.3, per EID-prefix */
	REQUEST_RETRIES = 10,
	REQUEST_HOLDOFF_S = 30,
	SMR_INTERVAL_S = 3,	       /* RFC 9301 6.1 */
	SMR_BURST = 8,		       /* ours */
	SMR_RETRIES = 3,	       /* ours */
	SMR_WAIT_NOTIFY_MS = 1000,     /* ours: cpm 6.10 */
	REPLY_INTERVAL_S = 3,	       /* RFC 9301 5.4 */
	NEGATIVE_HOLE_MIN = 15,	       /* RFC 9301 8.3, minutes */
	NEGATIVE_UNREGISTERED_MIN = 1, /* RFC 9301 8.3, minutes */
	DYNAMIC_TTL_MIN = 15,	       /* ours: Record TTL of a dynamic EID */
	PUBSUB_TEMPORARY_S = 900,      /* RFC 9437 5 */
	PUBSUB_REFRESH_S = 900,	       /* ours: while in use */
	PUBSUB_REFUSED_S = 300,	       /* ours: no other try in between */
	TTL_LOCAL_MIN = 1440,	       /* ours: for LISP_TTL_LOCAL */
	TTL_MAX_MIN = 7 * 1440,	       /* ours: larger ones are clamped */
};

#endif
