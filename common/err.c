/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - words and counter names of the error codes in err.h.
 */
#include "err.h"

static const char *const names[ERR_COUNT] = {
#define ERR_NAME(id, name, text) name,
	ERR_LIST(ERR_NAME)
#undef ERR_NAME
};

static const char *const texts[ERR_COUNT] = {
#define ERR_TEXT(id, name, text) text,
	ERR_LIST(ERR_TEXT)
#undef ERR_TEXT
};

const char *
err_str(enum err e)
{
	return (unsigned)e < ERR_COUNT ? texts[e] : "unknown error";
}

const char *
err_name(enum err e)
{
	return (unsigned)e < ERR_COUNT ? names[e] : "unknown";
}
