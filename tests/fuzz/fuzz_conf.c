/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_conf.c - xtrd's configuration from any octets: read, check, print.
 *
 * What loads must print to a text that loads and prints the same; what does not
 * must say why.  The schema and the rules are xtrd's own, included as source:
 * fuzz targets link common/ only, and the table is private to conf.c.
 * Corpus: tests/conf/xtrd and conf, *.yaml.
 */
#include "xtr/conf.c"
#include "xtr/conf_check.c"
#include "xtr/conf_check_mobility.c"
#include "xtr/conf_check_ms.c"
#include "xtr/conf_check_partners.c"
#include "xtr/conf_check_proxy.c"
#include "xtr/conf_check_pubsub.c"

#include <assert.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char folder[] = "/tmp/fuzz-conf-XXXXXX";
static char file[sizeof(folder) + 16];

/* The key files that the cases name. */
static const char *const key_names[] = { "a", "b", "c", "dc1", "dc1-corp",
	"dc1-dc2", "dc2", "dc3", "h", "hyp1", "hyp2", "k", "ms" };
enum { N_KEYS = sizeof(key_names) / sizeof(key_names[0]) };

static const char *
key_path(size_t i, char buf[64])
{
	snprintf(buf, 64, "%s/keys/%s", folder, key_names[i]);
	return buf;
}

static void
clean_up(void)
{
	char path[64];

	for (size_t i = 0; i < N_KEYS; i++)
		unlink(key_path(i, path));
	snprintf(path, sizeof(path), "%s/keys", folder);
	rmdir(path);
	rmdir(folder);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[64];

	(void)argc;
	(void)argv;
	umask(077);
	if (!mkdtemp(folder))
		abort();
	snprintf(file, sizeof(file), "%s/x.yaml", folder);
	snprintf(path, sizeof(path), "%s/keys", folder);
	if (mkdir(path, 0700))
		abort();
	for (size_t i = 0; i < N_KEYS; i++) {
		FILE *f = fopen(key_path(i, path), "w");

		if (!f || fputs("secret\n", f) < 0 || fclose(f))
			abort();
	}
	atexit(clean_up);
	return 0;
}

/* As xtr_conf_load(), from memory; the dump, or NULL and 'said' is set. */
static char *
load(const void *text, size_t len, bool *said)
{
	char *dump = NULL, *errors = NULL;
	size_t dump_len, errors_len;
	FILE *err = open_memstream(&errors, &errors_len), *out;
	struct xtr_conf c;

	assert(err);
	c.doc = NULL;
	c.doc = conf_read_text(file, text, len, items, &c, sizeof(c), err);
	if (c.doc)
		conf_check(&c);
	if (c.doc && !conf_errors(c.doc)) {
		out = open_memstream(&dump, &dump_len);
		assert(out);
		conf_print(out, items, &c);
		fclose(out);
	}
	conf_doc_free(c.doc);
	fclose(err);
	*said = errors[0];
	free(errors);
	return dump;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	bool said;
	char *dump = load(bytes, len, &said), *again;

	if (!dump != said)
		abort();
	if (!dump)
		return 0;
	again = load(dump, strlen(dump), &said);
	if (!again || said || strcmp(again, dump) != 0)
		abort();
	free(again);
	free(dump);
	return 0;
}
