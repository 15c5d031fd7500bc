/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - arguments -> configuration -> context -> loop.
 *
 * A control datagram enters at input.c, a data packet at forward.c, a timer in
 * the file whose table it serves; what leaves is in output.c and dp_*.c.  Crash
 * only: whatever must survive is in the store before it is promised, and device
 * and routes stay behind, so that nothing leaks between two lives.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/service.h"
#include "xtr/ctl.h"
#include "xtr/dp.h"
#include "xtr/input.h"
#include "xtr/netlink_watch.h"
#include "xtr/reach_kernel.h"
#include "xtr/reload.h"
#include "xtr/route.h"
#include "xtr/segment.h"
#include "xtr/xtr.h"

#define CONF_DEFAULT "/etc/xtrd/xtrd.yaml"

enum { /* exit codes, xtrd(8) */
	EXIT_CONF = 1,
	EXIT_USAGE = 2,
	EXIT_START = 3,
};

struct options {
	const char *conf;
	bool check, verbose, cleanup;
};

struct daemon {
	struct xtr x;
	struct ctl *ctl;
	struct netlink_watch *watch;
	const struct options *options;
};

static void
usage(FILE *to)
{
	fputs("usage: xtrd [-f FILE] [-d LEVEL] [-n [-v]] [--cleanup]\n"
	      "\n"
	      "LISP tunnel router, Map-Server and Map-Resolver: xtrd(8)\n"
	      "\n"
	      "  -f FILE    configuration (default " CONF_DEFAULT ")\n"
	      "  -d LEVEL   log error, warning, info (default) or debug\n"
	      "  -n         check the configuration and exit\n"
	      "  -n -v      print it with all defaults and exit\n"
	      "  --cleanup  remove the device and routes that xtrd left, exit\n"
	      "  --version  print the version and exit\n"
	      "  --help     print this and exit\n",
	    to);
}

static struct options
parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "cleanup", no_argument, NULL, 'C' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .conf = CONF_DEFAULT };
	enum log_level level;
	int c;

	while ((c = getopt_long(argc, argv, "f:d:nvh", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			o.conf = optarg;
			break;
		case 'd':
			if (!log_level_parse(optarg, &level)) {
				fprintf(stderr, "xtrd: no log level '%s'\n",
				    optarg);
				exit(EXIT_USAGE);
			}
			log_level_set(level);
			break;
		case 'n':
			o.check = true;
			break;
		case 'v':
			o.verbose = true;
			break;
		case 'C':
			o.cleanup = true;
			break;
		case 'V':
			puts("xtrd " VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (o.verbose && !o.check) {
		fputs("xtrd: -v goes with -n\n", stderr);
		exit(EXIT_USAGE);
	}
	if (optind < argc) {
		fprintf(
		    stderr, "xtrd: unexpected argument '%s'\n", argv[optind]);
		exit(EXIT_USAGE);
	}
	return o;
}

static enum err
start_dataplane(struct xtr *x)
{
	const struct dp_ops *ops =
	    x->conf->dataplane.kind == CONF_DP_TUN ? &dp_tun : &dp_none;
	enum err err;

	if (ops != &dp_none) {
		err = route_open(&x->route);
		if (err)
			return err;
	}
	err = ops->start(x, &x->dp);
	if (err || ops == &dp_none)
		return err;
	x->reach_kernel = reach_kernel_new(x);
	if (!x->reach_kernel)
		return ERR_NOMEM;
	return segments_start(x);
}

static enum err
start(struct xtr *x)
{
	enum err err = xtr_open(x);

	if (!err)
		err = input_start(x);
	if (!err)
		err = start_dataplane(x);
	if (err)
		return err;
	xtr_resume(x);
	return ERR_OK;
}

static void
stop(struct xtr *x)
{
	if (x->output) /* the store could be opened */
		input_turn_end(x);
	input_stop(x);
	if (x->segments)
		segments_stop(x);
	reach_kernel_free(x->reach_kernel);
	x->reach_kernel = NULL;
	if (x->dp)
		x->dp->ops->stop(x->dp);
	route_close(x->route);
	xtr_close(x);
}

static enum err
reload(void *arg, char *error, size_t size)
{
	struct daemon *d = arg;

	return xtr_reload(&d->x, d->options->conf, error, size);
}

static void
on_signal(void *arg, int signo)
{
	struct daemon *d = arg;
	char error[CTL_ERROR_MAX];

	if (signo != SIGHUP) {
		log_info("main", "stopping on signal %d", signo);
		loop_stop(d->x.loop);
		return;
	}
	service_notify("RELOADING=1");
	if (reload(d, error, sizeof(error)))
		log_error("main", "not reloaded:\n%s", error);
	service_notify("READY=1");
}

static int
run(struct daemon *d)
{
	struct xtr *x = &d->x;
	int code = EXIT_START;

	if (loop_signal(x->loop, SIGTERM, on_signal, d) ||
	    loop_signal(x->loop, SIGINT, on_signal, d) ||
	    loop_signal(x->loop, SIGHUP, on_signal, d))
		return code;
	signal(SIGPIPE, SIG_IGN);
	if (start(x) == ERR_OK) {
		d->ctl = ctl_start(x, reload, d);
		if (x->route)
			d->watch = netlink_watch_start(x, xtr_reinstall);
		if (d->ctl && (d->watch || !x->route)) {
			log_info("main", "xtrd " VERSION " runs%s%s",
			    x->conf->site.name[0] ? " as " : "",
			    x->conf->site.name);
			service_notify("READY=1");
			loop_run(x->loop);
			service_notify("STOPPING=1");
			code = 0;
		}
	} else {
		log_error("main", "cannot start");
	}
	netlink_watch_stop(d->watch);
	ctl_stop(d->ctl);
	stop(x);
	return code;
}

int
main(int argc, char **argv)
{
	const struct options options = parse_options(argc, argv);
	struct clock clock;
	struct daemon d = { .options = &options };
	struct xtr_conf *conf = xtr_conf_load(options.conf, stderr);
	int code;

	if (!conf)
		return EXIT_CONF;
	if (options.check) {
		if (options.verbose)
			xtr_conf_print(stdout, conf);
		xtr_conf_free(conf);
		return 0;
	}
	if (options.cleanup) {
		code = dp_cleanup(conf) ? EXIT_START : 0;
		xtr_conf_free(conf);
		return code;
	}
	service_protect();
	service_allocate();
	clock_system(&clock);
	d.x.conf = conf;
	d.x.clock = &clock;
	d.x.loop = loop_new(&clock);
	if (!d.x.loop) {
		log_error("main", "cannot start: %s", err_str(ERR_NOMEM));
		return EXIT_START;
	}
	code = run(&d);
	loop_free(d.x.loop);
	xtr_conf_free((struct xtr_conf *)(uintptr_t)d.x.conf);
	return code;
}
