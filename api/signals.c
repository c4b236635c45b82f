// SPDX-License-Identifier: Apache-2.0
/* signals_*: loop thread. Handlers: any thread, async-signal-safe. */
#include "api/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "api/metrics_out.h"
#include "vmm/log.h"
#include "vmm/metrics.h"
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

static void on_fatal(int sig)
{
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
	struct signalfd_siginfo info;

	(void)events;
	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	api->signal = (int)info.ssi_signo;
	evloop_stop(&api->loop);
}

int signals_catch(struct api *api, struct err *e)
{
	struct sigaction sa = { .sa_handler = on_fatal };
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
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return err_sys(e, -errno, "signalfd");
	r = ev_add(&api->loop, &signal_source, signal_fd, EPOLLIN | EV_ALWAYS, on_signal, api);
	return r < 0 ? err_sys(e, r, "epoll") : 0;
}

void signals_die(const struct api *api)
{
	sigset_t none;

	if (api->signal == 0)
		return;
	sigemptyset(&none);
	signal(api->signal, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	raise(api->signal);
}
