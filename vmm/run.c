// SPDX-License-Identifier: Apache-2.0
/* Main thread, which is the event loop's. */
#include "vmm/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/run_options.h"
#include "vmm/sigend.h"
#include "vmm/term.h"
#include "vmm/util.h"
#include "vmm/vm.h"

struct run {
	struct evloop loop;
	struct vm vm;
	struct vm_config config;
	struct run_options options;
	struct confine confine;
	int signal_fd;
	struct ev_source signals;
	int signal; /* the one that ended us; 0 = none */
	uint64_t start_ns;
};

/* Too large for a stack, and there is one of it. Zeroed pages cost nothing until they are used. */
static struct run the_run;

static void on_guest_end(void *ctx)
{
	evloop_stop(&((struct run *)ctx)->loop);
}

static const struct vm_fns vm_fns = { .ended = on_guest_end };

static void on_key(void *ctx, enum console_key key)
{
	struct run *run = ctx;

	if (key == CONSOLE_EXIT)
		vm_set_end(&run->vm, VM_LEFT);
	else if (i8042_ctrl_alt_del(&run->vm.i8042) < 0)
		log_warn("Ctrl-Alt-Del: the guest does not read its keyboard");
}

static void on_signal(void *ctx, uint32_t events)
{
	struct run *run = ctx;

	(void)events;
	ev_del(&run->loop, &run->signals); /* it stays pending */
	run->signal = sigend_waiting();
	vm_set_end(&run->vm, VM_LEFT);
}

/* A filter refused a call. */
static void on_bad_call(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	(void)ctx;
	seccomp_explain(info);
	term_restore();
	_exit(RUN_BAD_CALL);
}

static int confine(struct run *run, struct err *e)
{
	struct sigaction sa = { .sa_sigaction = on_bad_call, .sa_flags = SA_SIGINFO };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGSYS, &sa, NULL);
	run->options.confine.unspoken = true;
	return confine_begin(&run->confine, &run->options.confine, e);
}

/* Signals that end us come to the loop; a closed pipe is an error like any other. */
static int catch_signals(struct run *run, struct err *e)
{
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	run->signal_fd = sigend_hold(&set);
	if (run->signal_fd < 0)
		return err_sys(e, run->signal_fd, "signalfd");
	r = ev_add(&run->loop, &run->signals, run->signal_fd, EPOLLIN | EV_ALWAYS, on_signal, run);
	return r < 0 ? err_sys(e, r, "epoll") : 0;
}

static int take_terminal(struct run *run)
{
	bool interactive = term_usable(STDIN_FILENO) && isatty(STDOUT_FILENO);

	if (!interactive)
		return 0;
	for (int i = 0; i < 2; i++) {
		run->config.console[i].on_key = on_key;
		run->config.console[i].ctx = run;
	}
	return term_raw(STDIN_FILENO);
}

static double ms_since(const struct run *run, uint64_t ns)
{
	return ns > run->start_ns ? (double)(ns - run->start_ns) / 1e6 : 0.0;
}

static void print_times(const struct run *run)
{
	struct timespec t;
	uint64_t now;
	char init[48] = "init not reported";

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (run->vm.booted_ns != 0)
		snprintf(init, sizeof(init), "init %.3f ms", ms_since(run, run->vm.booted_ns));
	log_info("boot timer: first guest instruction %.3f ms, %s, end %.3f ms",
		 ms_since(run, run->vm.first_entry_ns), init, ms_since(run, now));
}

/* What the end of the guest means for whoever waits for us. */
static int exit_status(const struct run *run)
{
	int status = run->vm.exit_status;

	if (run->options.command && status >= 0)
		return status;
	switch ((enum vm_end)run->vm.end) {
	case VM_TRIPLE_FAULT:
		log_error("the guest ended with a triple fault");
		return RUN_TRIPLE_FAULT;
	case VM_FAILED:
		return RUN_FAILED;
	default:
		if (!run->options.command)
			return 0;
		if (run->vm.end != VM_LEFT)
			log_error("the guest ended before its command did");
		return RUN_NO_STATUS;
	}
}

/* Builds, runs and releases the VM. */
static int boot(struct run *run, struct err *e)
{
	int r = vm_create(&run->vm, &run->loop, &vm_fns, run, e);

	if (r < 0)
		return r;
	r = vm_build(&run->vm, &run->config, e);
	if (r == 0)
		r = vm_start(&run->vm, &run->config, e);
	if (r == 0) {
		vm_config_close(&run->config);
		r = evloop_run(&run->loop);
		vm_stop(&run->vm);
		/* Now that nothing else is to be saved, a signal may end the wait for a reader. */
		term_restore();
		if (run->signal == 0)
			sigend_release();
		for (unsigned int i = 0; i < run->vm.nr_ports; i++)
			console_flush(&run->vm.console[i]);
	}
	vm_release(&run->vm);
	return r;
}

static int fail(const struct err *e, int status)
{
	term_restore();
	log_error("%s", e->msg);
	return status;
}

/* Which side an error of boot() is on: what the user named, or the host. */
static int status_of_failure(int code)
{
	switch (code) {
	case -EINVAL:
	case -ENOEXEC:
	case -EFAULT:
	case -E2BIG:
	case -ENODATA:
		return RUN_BAD_CONFIG;
	default:
		return RUN_FAILED;
	}
}

int run_main(int argc, char **argv, uint64_t start_ns)
{
	struct run *run = &the_run;
	struct err e = { 0 };
	int r;

	run->start_ns = start_ns;
	if (run_options_parse(&run->options, argc, argv, &e) < 0)
		return fail(&e, RUN_BAD_ARGUMENT);
	if (run->options.help) {
		run_options_help();
		return 0;
	}
	run_options_script(&run->options);
	if (run->options.start_us != 0)
		run->start_ns = run->options.start_us * 1000;
	if (confine(run, &e) < 0 || run_config(&run->options, &run->config, &e) < 0)
		return fail(&e, RUN_BAD_CONFIG);
	run->config.confine = &run->confine;
	r = evloop_init(&run->loop);
	if (r < 0) {
		err_sys(&e, r, "event loop");
		return fail(&e, RUN_FAILED);
	}
	r = catch_signals(run, &e);
	if (r == 0) {
		r = take_terminal(run);
		if (r < 0)
			err_sys(&e, r, "terminal");
	}
	if (r == 0)
		r = boot(run, &e);
	vm_config_close(&run->config);
	evloop_release(&run->loop);
	if (r < 0)
		return fail(&e, status_of_failure(r));
	if (run->options.boot_timer)
		print_times(run);
	/* Die of it, so that a shell sees how we ended. */
	if (run->signal != 0)
		sigend_release();
	return exit_status(run);
}
