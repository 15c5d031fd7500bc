/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide.c - the decision table, docs/cpm.md 5, cell by cell.
 *
 * mobility.c asks for every message and event and carries the actions out.
 * tests/unit/xtr/test_decide.c compares each cell with the table's own data.
 */
#include "decide.h"

#include <stddef.h>

static const struct row {
	uint8_t op, reason, relation;
	struct decision cells[EID_STATES];
} rows[] = {
	{ CPM_OP_CPM, CPM_ARRIVED, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_ARRIVING] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_LOCAL] = { { ACT_NONE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_NONE }, EID_LOCAL },
		[EID_HELD] = { { ACT_BACK }, EID_LOCAL },
		[EID_AWAY] = { { ACT_COMMIT }, EID_LOCAL },
	    } },
	{ CPM_OP_CPM, CPM_PRESENT, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_ARRIVING] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_LOCAL] = { { ACT_NONE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_NONE }, EID_LOCAL },
		[EID_HELD] = { { ACT_BACK }, EID_LOCAL },
		[EID_AWAY] = { { ACT_COMMIT }, EID_LOCAL },
	    } },
	{ CPM_OP_CPM, CPM_ARRIVED, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_ARRIVING] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_LOCAL] = { { ACT_SITE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_SITE }, EID_LOCAL },
		[EID_HELD] = { { ACT_SITE, ACT_FLUSH }, EID_LOCAL },
		[EID_AWAY] = { { ACT_COMMIT }, EID_LOCAL },
	    } },
	{ CPM_OP_CPM, CPM_PRESENT, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_ARRIVING] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_LOCAL] = { { ACT_SITE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_SITE }, EID_LOCAL },
		[EID_HELD] = { { ACT_SITE, ACT_FLUSH }, EID_LOCAL },
		[EID_AWAY] = { { ACT_COMMIT }, EID_LOCAL },
	    } },
	{ CPM_OP_CPM, CPM_DEPARTING, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_COMMIT, ACT_PEERS }, EID_DEPARTING },
		[EID_ARRIVING] = { { ACT_COMMIT, ACT_PEERS }, EID_DEPARTING },
		[EID_LOCAL] = { { ACT_PEERS }, EID_DEPARTING },
		[EID_DEPARTING] = { { ACT_PEERS }, EID_DEPARTING },
		[EID_HELD] = { { ACT_PEERS, ACT_UNGONE }, EID_HELD },
		[EID_AWAY] = { { ACT_COMMIT, ACT_PEERS }, EID_DEPARTING },
	    } },
	{ CPM_OP_CPM, CPM_DEPARTING, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_COMMIT, ACT_PEERS }, EID_DEPARTING },
		[EID_ARRIVING] = { { ACT_COMMIT, ACT_PEERS }, EID_DEPARTING },
		[EID_LOCAL] = { { ACT_SITE, ACT_PEERS }, EID_DEPARTING },
		[EID_DEPARTING] = { { ACT_SITE, ACT_PEERS }, EID_DEPARTING },
		[EID_HELD] = { { ACT_SITE, ACT_FLUSH, ACT_PEERS },
		    EID_DEPARTING },
		[EID_AWAY] = { { ACT_COMMIT, ACT_PEERS }, EID_DEPARTING },
	    } },
	{ CPM_OP_CPM, CPM_PAUSED, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_COMMIT, ACT_HOLD }, EID_HELD },
		[EID_ARRIVING] = { { ACT_COMMIT, ACT_HOLD }, EID_HELD },
		[EID_LOCAL] = { { ACT_HOLD }, EID_HELD },
		[EID_DEPARTING] = { { ACT_HOLD }, EID_HELD },
		[EID_HELD] = { { ACT_UNGONE }, EID_HELD },
		[EID_AWAY] = { { ACT_COMMIT, ACT_HOLD }, EID_HELD },
	    } },
	{ CPM_OP_CPM, CPM_PAUSED, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_COMMIT, ACT_HOLD }, EID_HELD },
		[EID_ARRIVING] = { { ACT_COMMIT, ACT_HOLD }, EID_HELD },
		[EID_LOCAL] = { { ACT_SITE, ACT_HOLD }, EID_HELD },
		[EID_DEPARTING] = { { ACT_SITE, ACT_HOLD }, EID_HELD },
		[EID_HELD] = { { ACT_SITE, ACT_UNGONE }, EID_HELD },
		[EID_AWAY] = { { ACT_COMMIT, ACT_HOLD }, EID_HELD },
	    } },
	{ CPM_OP_CPM, CPM_DEPARTED, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_NONE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_NONE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_HOLD, ACT_LOOKUP, ACT_GONE }, EID_HELD },
		[EID_DEPARTING] = { { ACT_HOLD, ACT_LOOKUP, ACT_GONE },
		    EID_HELD },
		[EID_HELD] = { { ACT_LOOKUP, ACT_GONE }, EID_HELD },
		[EID_AWAY] = { { ACT_HOLD, ACT_LOOKUP, ACT_GONE }, EID_HELD },
	    } },
	{ CPM_OP_CPM, CPM_DEPARTED, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_NOTE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_NOTE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_HOLD, ACT_LOOKUP, ACT_GONE }, EID_HELD },
		[EID_DEPARTING] = { { ACT_HOLD, ACT_LOOKUP, ACT_GONE },
		    EID_HELD },
		[EID_HELD] = { { ACT_LOOKUP, ACT_GONE }, EID_HELD },
		[EID_AWAY] = { { ACT_HOLD, ACT_LOOKUP, ACT_GONE }, EID_HELD },
	    } },
	{ CPM_OP_CPM, CPM_ABORTED, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_ARRIVING] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_LOCAL] = { { ACT_NONE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_NONE }, EID_LOCAL },
		[EID_HELD] = { { ACT_BACK }, EID_LOCAL },
		[EID_AWAY] = { { ACT_COMMIT }, EID_LOCAL },
	    } },
	{ CPM_OP_CPM, CPM_ABORTED, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_ARRIVING] = { { ACT_COMMIT }, EID_LOCAL },
		[EID_LOCAL] = { { ACT_SITE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_SITE }, EID_LOCAL },
		[EID_HELD] = { { ACT_SITE, ACT_FLUSH }, EID_LOCAL },
		[EID_AWAY] = { { ACT_COMMIT }, EID_LOCAL },
	    } },
	{ CPM_OP_CPM, CPM_ABORTED, RELATION_ANY,
	    {
		[EID_ABSENT] = { { ACT_NONE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_UNMARK }, EID_ABSENT },
		[EID_LOCAL] = { { ACT_UNMARK }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_UNMARK }, EID_DEPARTING },
		[EID_HELD] = { { ACT_UNMARK }, EID_HELD },
		[EID_AWAY] = { { ACT_UNMARK }, EID_AWAY },
	    } },
	{ CPM_OP_CPM, CPM_ABSENT, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_NONE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_NONE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_WITHDRAW }, EID_ABSENT },
		[EID_DEPARTING] = { { ACT_WITHDRAW }, EID_ABSENT },
		[EID_HELD] = { { ACT_WITHDRAW }, EID_ABSENT },
		[EID_AWAY] = { { ACT_FORGET }, EID_ABSENT },
	    } },
	{ CPM_OP_CPM, CPM_ABSENT, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_NOTE, ACT_TELL }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_NOTE, ACT_TELL }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_WITHDRAW }, EID_ABSENT },
		[EID_DEPARTING] = { { ACT_WITHDRAW }, EID_ABSENT },
		[EID_HELD] = { { ACT_WITHDRAW }, EID_ABSENT },
		[EID_AWAY] = { { ACT_FORGET, ACT_TELL }, EID_ABSENT },
	    } },
	{ CPM_OP_CPM, CPM_ARRIVING, RELATION_ANY,
	    {
		[EID_ABSENT] = { { ACT_PREP, ACT_MARK }, EID_ARRIVING },
		[EID_ARRIVING] = { { ACT_PREP, ACT_MARK }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_MARK }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_MARK }, EID_DEPARTING },
		[EID_HELD] = { { ACT_MARK }, EID_HELD },
		[EID_AWAY] = { { ACT_PREP, ACT_MARK }, EID_AWAY },
	    } },
	{ CPM_OP_NOTIFY, CPM_ARRIVED, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_NONE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_NONE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_NONE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_NONE }, EID_DEPARTING },
		[EID_HELD] = { { ACT_NONE }, EID_HELD },
		[EID_AWAY] = { { ACT_AIM }, EID_AWAY },
	    } },
	{ CPM_OP_NOTIFY, CPM_ARRIVED, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_AIM }, EID_AWAY },
		[EID_ARRIVING] = { { ACT_AIM }, EID_AWAY },
		[EID_LOCAL] = { { ACT_YIELD }, EID_AWAY },
		[EID_DEPARTING] = { { ACT_YIELD }, EID_AWAY },
		[EID_HELD] = { { ACT_YIELD }, EID_AWAY },
		[EID_AWAY] = { { ACT_AIM }, EID_AWAY },
	    } },
	{ CPM_OP_NOTIFY, CPM_ABSENT, RELATION_SAME,
	    {
		[EID_ABSENT] = { { ACT_NONE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_NONE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_NONE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_NONE }, EID_DEPARTING },
		[EID_HELD] = { { ACT_NONE }, EID_HELD },
		[EID_AWAY] = { { ACT_FORGET }, EID_ABSENT },
	    } },
	{ CPM_OP_NOTIFY, CPM_ABSENT, RELATION_NEWER,
	    {
		[EID_ABSENT] = { { ACT_NOTE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_NOTE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_DROP }, EID_ABSENT },
		[EID_DEPARTING] = { { ACT_DROP }, EID_ABSENT },
		[EID_HELD] = { { ACT_DROP }, EID_ABSENT },
		[EID_AWAY] = { { ACT_FORGET }, EID_ABSENT },
	    } },
	{ CPM_OP_NOTIFY, CPM_ARRIVING, RELATION_ANY,
	    {
		[EID_ABSENT] = { { ACT_INTEREST }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_INTEREST }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_INTEREST }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_INTEREST }, EID_DEPARTING },
		[EID_HELD] = { { ACT_INTEREST }, EID_HELD },
		[EID_AWAY] = { { ACT_INTEREST }, EID_AWAY },
	    } },
	{ CPM_OP_NOTIFY, CPM_ABORTED, RELATION_ANY,
	    {
		[EID_ABSENT] = { { ACT_UNINTEREST }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_UNINTEREST }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_UNINTEREST }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_UNINTEREST }, EID_DEPARTING },
		[EID_HELD] = { { ACT_UNINTEREST }, EID_HELD },
		[EID_AWAY] = { { ACT_UNINTEREST }, EID_AWAY },
	    } },
	{ CPM_OP_REQUESTERS, CPM_ARRIVED, RELATION_ANY,
	    {
		[EID_ABSENT] = { { ACT_NONE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_AUDIENCE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_AUDIENCE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_AUDIENCE }, EID_DEPARTING },
		[EID_HELD] = { { ACT_AUDIENCE }, EID_HELD },
		[EID_AWAY] = { { ACT_NONE }, EID_AWAY },
	    } },
	{ CPM_OP_REQUESTERS, CPM_ARRIVING, RELATION_ANY,
	    {
		[EID_ABSENT] = { { ACT_NONE }, EID_ABSENT },
		[EID_ARRIVING] = { { ACT_AUDIENCE }, EID_ARRIVING },
		[EID_LOCAL] = { { ACT_AUDIENCE }, EID_LOCAL },
		[EID_DEPARTING] = { { ACT_AUDIENCE }, EID_DEPARTING },
		[EID_HELD] = { { ACT_AUDIENCE }, EID_HELD },
		[EID_AWAY] = { { ACT_NONE }, EID_AWAY },
	    } },
};

/* Cases of one event and state stand in order: the first that holds counts. */
static const struct event_case {
	uint8_t event, state, facts;
	struct decision decision;
} cases[] = {
	/* hold-max over */
	{ EVENT_HOLD_MAX, EID_HELD, FACT_GONE | FACT_ELSEWHERE,
	    { { ACT_AIM }, EID_AWAY } },
	{ EVENT_HOLD_MAX, EID_HELD, FACT_GONE,
	    { { ACT_WITHDRAW }, EID_ABSENT } },
	{ EVENT_HOLD_MAX, EID_HELD, 0, { { ACT_FLUSH }, EID_DEPARTING } },
	/* LOOKUP finds locators not ours */
	{ EVENT_LOOKUP_ELSEWHERE, EID_HELD, 0, { { ACT_AIM }, EID_AWAY } },
	/* Map-Notify with locators not ours */
	{ EVENT_MAP_NOTIFY_ELSEWHERE, EID_LOCAL, FACT_OTHER_SITE,
	    { { ACT_VERIFY }, EID_LOCAL } },
	{ EVENT_MAP_NOTIFY_ELSEWHERE, EID_LOCAL, 0,
	    { { ACT_REGISTER, ACT_ALARM }, EID_LOCAL } },
	{ EVENT_MAP_NOTIFY_ELSEWHERE, EID_DEPARTING, 0,
	    { { ACT_VERIFY }, EID_DEPARTING } },
	{ EVENT_MAP_NOTIFY_ELSEWHERE, EID_HELD, 0, { { ACT_AIM }, EID_AWAY } },
	{ EVENT_MAP_NOTIFY_ELSEWHERE, EID_AWAY, FACT_LATER,
	    { { ACT_AIM }, EID_AWAY } },
	/* VERIFY: LOOKUP finds own locators */
	{ EVENT_VERIFY_OWN, EID_LOCAL, 0, { { ACT_CLEAR }, EID_LOCAL } },
	{ EVENT_VERIFY_OWN, EID_DEPARTING, 0,
	    { { ACT_CLEAR }, EID_DEPARTING } },
	/* VERIFY: LOOKUP is negative */
	{ EVENT_VERIFY_NEGATIVE, EID_LOCAL, 0,
	    { { ACT_CLEAR, ACT_REGISTER }, EID_LOCAL } },
	{ EVENT_VERIFY_NEGATIVE, EID_DEPARTING, 0,
	    { { ACT_CLEAR, ACT_REGISTER }, EID_DEPARTING } },
	/* VERIFY: 3 s over, no Notify, still locators not ours */
	{ EVENT_VERIFY_OVER, EID_LOCAL, 0, { { ACT_CONTEST }, EID_LOCAL } },
	{ EVENT_VERIFY_OVER, EID_DEPARTING, 0,
	    { { ACT_CONTEST }, EID_DEPARTING } },
	/* contest-wait over without a newer claim (6.8) */
	{ EVENT_CONTEST_OVER, EID_LOCAL, FACT_ELSEWHERE,
	    { { ACT_AIM }, EID_AWAY } },
	{ EVENT_CONTEST_OVER, EID_LOCAL, 0, { { ACT_ALARM }, EID_LOCAL } },
	{ EVENT_CONTEST_OVER, EID_DEPARTING, FACT_ELSEWHERE,
	    { { ACT_AIM }, EID_AWAY } },
	{ EVENT_CONTEST_OVER, EID_DEPARTING, 0,
	    { { ACT_ALARM }, EID_DEPARTING } },
	{ EVENT_CONTEST_OVER, EID_HELD, FACT_ELSEWHERE,
	    { { ACT_AIM }, EID_AWAY } },
	{ EVENT_CONTEST_OVER, EID_HELD, 0, { { ACT_ALARM }, EID_HELD } },
	/* away-time over */
	{ EVENT_AWAY_OVER, EID_AWAY, 0, { { ACT_FORGET }, EID_ABSENT } },
	/* incoming mark expires */
	{ EVENT_INCOMING_OVER, EID_ARRIVING, 0,
	    { { ACT_NOTIFY4, ACT_CLEAR }, EID_ABSENT } },
	{ EVENT_INCOMING_OVER, EID_LOCAL, 0, { { ACT_CLEAR }, EID_LOCAL } },
	{ EVENT_INCOMING_OVER, EID_DEPARTING, 0,
	    { { ACT_CLEAR }, EID_DEPARTING } },
	{ EVENT_INCOMING_OVER, EID_HELD, 0, { { ACT_CLEAR }, EID_HELD } },
	{ EVENT_INCOMING_OVER, EID_AWAY, 0, { { ACT_CLEAR }, EID_AWAY } },
	/* xTR restart, store kept */
	{ EVENT_RESTART_KEPT, EID_ARRIVING, 0, { { ACT_NONE }, EID_ARRIVING } },
	{ EVENT_RESTART_KEPT, EID_LOCAL, 0,
	    { { ACT_REGISTER, ACT_RESUME }, EID_LOCAL } },
	{ EVENT_RESTART_KEPT, EID_DEPARTING, 0,
	    { { ACT_REGISTER, ACT_RESUME }, EID_DEPARTING } },
	{ EVENT_RESTART_KEPT, EID_HELD, FACT_GONE,
	    { { ACT_LOOKUP }, EID_HELD } },
	{ EVENT_RESTART_KEPT, EID_AWAY, 0, { { ACT_NONE }, EID_AWAY } },
	{ EVENT_RESTART_KEPT, EID_HELD, 0,
	    { { ACT_REGISTER, ACT_RESUME }, EID_HELD } },
	/* xTR restart, store lost */
	{ EVENT_RESTART_LOST, EID_ARRIVING, 0, { { ACT_NONE }, EID_ABSENT } },
	{ EVENT_RESTART_LOST, EID_LOCAL, 0, { { ACT_NONE }, EID_ABSENT } },
	{ EVENT_RESTART_LOST, EID_DEPARTING, 0, { { ACT_NONE }, EID_ABSENT } },
	{ EVENT_RESTART_LOST, EID_HELD, 0, { { ACT_NONE }, EID_ABSENT } },
	{ EVENT_RESTART_LOST, EID_AWAY, 0, { { ACT_NONE }, EID_ABSENT } },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

const struct decision *
decide(enum cpm_op op, uint8_t reason, enum relation relation,
    enum eid_state state)
{
	for (size_t i = 0; i < N(rows); i++)
		if (rows[i].op == op && rows[i].reason == reason &&
		    rows[i].relation == relation)
			return &rows[i].cells[state];
	return NULL;
}

const struct decision *
decide_event(enum event event, enum eid_state state, unsigned facts)
{
	for (size_t i = 0; i < N(cases); i++)
		if (cases[i].event == event && cases[i].state == state &&
		    (cases[i].facts & facts) == cases[i].facts)
			return &cases[i].decision;
	return NULL;
}

const char *
action_str(uint8_t action)
{
	static const char *const names[ACTIONS] = { [ACT_NONE] = "-",
#define ACTION_NAME(name) [ACT_##name] = #name,
		ACTION_LIST(ACTION_NAME)
#undef ACTION_NAME
	};

	return action < ACTIONS ? names[action] : "?";
}
