// SPDX-License-Identifier: Apache-2.0
/* signals_*: loop thread. Handlers: any thread, async-signal-safe. */
#include "api/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "api/metrics_out.h"
#include "vmm/log.h"
#include "vmm/metrics.h"
#include "vmm/seccomp.h"
#include "vmm/sigend.h"
#include "vmm/term.h"
#include "vmm/util.h"

static const struct fatal {
	int signal;
	enum api_exit status;
	metric *count;
} fatal[] = {
	{ SIGBUS, API_EXIT_SIGBUS, &metrics.signals.sigbus },
	{ SIGSEGV, API_EXIT_SIGSEGV, &metrics.signals.sigsegv },
	{ SIGXFSZ, API_EXIT_SIGXFSZ, &metrics.signals.sigxfsz },
	{ SIGXCPU, API_EXIT_SIGXCPU, &metrics.signals.sigxcpu },
	{ SIGILL, API_EXIT_SIGILL, &metrics.signals.sigill },
	{ SIGHUP, API_EXIT_SIGHUP, &metrics.signals.sighup },
	{ SIGSYS, API_EXIT_BAD_SYSCALL, &metrics.seccomp.num_faults },
};

static void on_fatal(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	if (sig == SIGSYS)
		seccomp_explain(info);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		if (fatal[i].signal != sig)
			continue;
		metric_set(fatal[i].count, 1);
		log_error("Shutting down VM after intercepting signal %d, code %d.", sig,
			  fatal[i].status);
		metrics_out_flush_fatal();
		term_restore();
		_exit((int)fatal[i].status);
	}
}

static void on_pipe(int sig)
{
	(void)sig;
	metric_add(&metrics.signals.sigpipe, 1);
}

static int signal_fd = -1;
static struct ev_source signal_source;

static void on_signal(void *ctx, uint32_t events)
{
	struct api *api = ctx;

	(void)events;
	ev_del(&api->loop, &signal_source); /* it stays pending */
	api->signal = sigend_waiting();
	evloop_stop(&api->loop);
}

int signals_catch(struct api *api, struct err *e)
{
	struct sigaction sa = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO };
	sigset_t set;
	int r;

	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i].signal, &sa, NULL);
	sa.sa_handler = on_pipe;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGPIPE, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	signal_fd = sigend_hold(&set);
	if (signal_fd < 0)
		return err_sys(e, signal_fd, "signalfd");
	r = ev_add(&api->loop, &signal_source, signal_fd, EPOLLIN | EV_ALWAYS, on_signal, api);
	return r < 0 ? err_sys(e, r, "epoll") : 0;
}

void signals_die(const struct api *api)
{
	if (api->signal != 0)
		sigend_release();
}
