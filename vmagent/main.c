/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - arguments -> configuration -> agent -> loop.
 *
 * An event of libvirt's enters at virt.c and leaves at notify.c; agent.h has
 * the way between.  Crash only: a kill at any moment loses nothing, so the end
 * is short, too.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent.h"
#include "common/log.h"
#include "common/service.h"
#include "virt_loop.h"

#define CONF_DEFAULT "/etc/vmagent/vmagent.yaml"

enum { /* exit codes, vmagent(8) */
	EXIT_CONF = 1,
	EXIT_USAGE = 2,
	EXIT_START = 3,
};

struct options {
	const char *conf;
	bool check, verbose, dry_run;
};

static void
usage(FILE *to)
{
	fputs("usage: vmagent [-f FILE] [-d LEVEL] [-n [-v]] [--dry-run]\n"
	      "\n"
	      "Tells LISP tunnel routers where the VMs of this host are: "
	      "vmagent(8)\n"
	      "\n"
	      "  -f FILE    configuration (default " CONF_DEFAULT ")\n"
	      "  -d LEVEL   log error, warning, info (default) or debug\n"
	      "  -n         check the configuration and exit\n"
	      "  -n -v      print it with all defaults and exit\n"
	      "  --dry-run  watch libvirt and print what would be sent; send "
	      "nothing\n"
	      "  --version  print the version and exit\n"
	      "  --help     print this and exit\n",
	    to);
}

static void
set_level(const char *text)
{
	enum log_level level;

	if (!log_level_parse(text, &level)) {
		fprintf(stderr, "vmagent: no log level '%s'\n", text);
		exit(EXIT_USAGE);
	}
	log_level_set(level);
}

static struct options
parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dry-run", no_argument, NULL, 'D' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .conf = CONF_DEFAULT };
	int c;

	while ((c = getopt_long(argc, argv, "f:d:nvh", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			o.conf = optarg;
			break;
		case 'd':
			set_level(optarg);
			break;
		case 'n':
			o.check = true;
			break;
		case 'v':
			o.verbose = true;
			break;
		case 'D':
			o.dry_run = true;
			break;
		case 'V':
			puts("vmagent " VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "vmagent: unexpected argument '%s'\n",
		    argv[optind]);
		exit(EXIT_USAGE);
	}
	return o;
}

static void
on_stop(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

static void
on_reload(void *arg, int signo)
{
	(void)signo;
	if (agent_reload(arg))
		log_error("agent", "the old configuration stays");
}

static int
run(struct loop *loop, struct agent_conf *conf, const struct options *o)
{
	struct agent *a;

	eids_init();
	if (virt_loop_init(loop))
		return EXIT_START;
	a = agent_new(loop, conf, o->conf, o->dry_run);
	if (!a)
		return EXIT_START;
	if (loop_signal(loop, SIGTERM, on_stop, loop) ||
	    loop_signal(loop, SIGINT, on_stop, loop) ||
	    loop_signal(loop, SIGHUP, on_reload, a)) {
		log_error("agent", "%s", err_str(ERR_NOMEM));
		return EXIT_START;
	}
	log_info("agent", "vmagent " VERSION " runs");
	service_notify("READY=1");
	loop_run(loop);
	service_notify("STOPPING=1");
	if (agent_idle(a)) {
		agent_free(a);
		virt_loop_fini();
	} else {
		/* libvirt may not answer for long; nothing is lost. */
		ctl_server_free(a->ctl);
		state_close(a->state);
		_exit(0);
	}
	eids_fini();
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = parse_options(argc, argv);
	struct agent_conf *conf = agent_conf_load(o.conf, stderr);
	struct clock clock;
	struct loop *loop;
	int status;

	if (!conf)
		return EXIT_CONF;
	if (o.check) {
		if (o.verbose)
			agent_conf_print(stdout, conf);
		agent_conf_free(conf);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	clock_system(&clock);
	service_protect();
	loop = loop_new(&clock);
	if (!loop) {
		log_error("agent", "%s", err_str(ERR_NOMEM));
		return EXIT_START;
	}
	status = run(loop, conf, &o);
	loop_free(loop);
	return status;
}
