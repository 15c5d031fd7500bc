/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_DECIDE_H
#define XTR_DECIDE_H

/*
 * decide.h - the decision table of the handover as data: (message, relation,
 * state) -> (actions, next state), and the same for what is no message.
 * docs/cpm.md 5.  Pure: no context, no clock.
 */
#include "common/cpm.h"
#include "xtr/eids.h"

/* Actions, in the order of their definition in docs/cpm.md 5. */
#define ACTION_LIST(X) \
	X(COMMIT) \
	X(SITE) \
	X(PREP) \
	X(YIELD) \
	X(AIM) \
	X(HOLD) \
	X(FLUSH) \
	X(BACK) \
	X(LOOKUP) \
	X(WITHDRAW) \
	X(DROP) \
	X(FORGET) \
	X(TELL) \
	X(PEERS) \
	X(NOTE) \
	X(MARK) \
	X(UNMARK) \
	X(INTEREST) \
	X(UNINTEREST) \
	X(AUDIENCE) \
	X(GONE) \
	X(UNGONE) \
	X(VERIFY) \
	X(CONTEST) \
	X(REGISTER) \
	X(ALARM) \
	X(CLEAR) \
	X(NOTIFY4) \
	X(RESUME)

enum action {
	ACT_NONE,
#define ACTION_ENUM(name) ACT_##name,
	ACTION_LIST(ACTION_ENUM)
#undef ACTION_ENUM
	    ACTIONS
};

enum relation { /* of a message's generation to the stored one, 4.2 step 6 */
	RELATION_SAME,
	RELATION_NEWER,
	RELATION_ANY,	/* not compared */
	RELATION_OLDER, /* not in the table: ignored, Ack 9 */
};

struct decision {
	uint8_t actions[3]; /* enum action, in order; ACT_NONE ends */
	uint8_t next;	    /* enum eid_state */
};

enum event {
	EVENT_HOLD_MAX,		    /* hold-max over */
	EVENT_LOOKUP_ELSEWHERE,	    /* LOOKUP finds locators not ours */
	EVENT_MAP_NOTIFY_ELSEWHERE, /* Map-Notify with locators not ours */
	EVENT_VERIFY_OWN,
	EVENT_VERIFY_NEGATIVE,
	EVENT_VERIFY_OVER, /* 3 s over, still locators not ours */
	EVENT_CONTEST_OVER,
	EVENT_AWAY_OVER,
	EVENT_INCOMING_OVER,
	EVENT_RESTART_KEPT, /* xTR restart, store kept */
	EVENT_RESTART_LOST,
	EVENTS
};

/* What a case of an event may depend on. */
enum {
	FACT_GONE = 1,	     /* the gone mark is set */
	FACT_ELSEWHERE = 2,  /* LOOKUP found locators not ours */
	FACT_OTHER_SITE = 4, /* they belong to a configured other site */
	FACT_LATER = 8,	     /* registered later than the away entry was made */
};

/* The cell for a message, or NULL: no such row (op, reason, relation). */
const struct decision *
decide(enum cpm_op, uint8_t reason, enum relation, enum eid_state);
/* The first case of the event that holds, or NULL: nothing happens. */
const struct decision *decide_event(enum event, enum eid_state, unsigned facts);

const char *action_str(uint8_t action);

#endif
