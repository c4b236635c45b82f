// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "kernel-config/init/config.h"
#include "kernel-config/init/power.h"
#include "kernel-config/init/relay.h"
#include "kernel-config/init/report.h"
#include "kernel-config/init/text.h"
#include "kernel-config/init/tty.h"

/* The command's end of its standard input, output and error. */
struct stdio {
	int in, out;
	bool terminal;
};

/* What PID 1 was told by a signal: 0 is nothing. */
static volatile sig_atomic_t told;

static sigset_t normal_mask;
static struct relay input, output;

/*
 * SIGINT is the kernel's for Ctrl-Alt-Del; the others are what busybox' reboot, halt and poweroff
 * send. SIGCHLD only has to interrupt a wait.
 */
static const int heard[] = { SIGCHLD, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 };

static void on_signal(int sig)
{
	if (sig != SIGCHLD)
		told = sig;
}

static void obey(void)
{
	if (told == SIGINT || told == SIGTERM)
		power_reset();
	if (told)
		power_off();
}

void run_init(void)
{
	const struct sigaction note = { .sa_handler = on_signal };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t ours;

	sigemptyset(&ours);
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
		sigaddset(&ours, heard[i]);
	/* Blocked but in ppoll: no signal can slip in between the check and the wait. */
	sigprocmask(SIG_BLOCK, &ours, &normal_mask);
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
		sigaction(heard[i], &note, NULL);
	/* A command that does not read its input must not matter. */
	sigaction(SIGPIPE, &ignore, NULL);
	/* Nor must it that the terminal's foreground is the command's. */
	sigaction(SIGTTOU, &ignore, NULL);
	reboot(RB_DISABLE_CAD);
	relay_init(&input, -1, -1, true);
	relay_init(&output, -1, -1, false);
}

/* Wait for something to do, and do it, short of reaping. */
static void wait_step(void)
{
	uint32_t taken = input.taken;
	struct pollfd fds[2];

	relay_want(&input, &fds[0]);
	relay_want(&output, &fds[1]);
	ppoll(fds, 2, NULL, &normal_mask);
	obey();
	if (fds[0].revents)
		relay_step(&input);
	if (fds[1].revents)
		relay_step(&output);
	if (input.taken != taken)
		report_taken(input.taken);
}

_Noreturn void run_hold(void)
{
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		wait_step();
	}
}

void run_drain(int fd)
{
	sigset_t ours;
	int rc;

	do {
		sigprocmask(SIG_SETMASK, &normal_mask, &ours);
		rc = tcdrain(fd);
		sigprocmask(SIG_SETMASK, &ours, NULL);
		obey();
	} while (rc && errno == EINTR);
}

static int wait_for(pid_t command)
{
	for (;;) {
		int status;
		pid_t pid;

		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid != command)
				continue;
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
		wait_step();
	}
}

/* The child's part: shares the parent's memory, so it changes none of it but through errno. */
static int become(const struct run *r, const struct stdio *io)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };

	if (io->terminal) {
		setpgid(0, 0);
		tcsetpgrp(io->in, getpid());
	} else {
		setsid();
	}
	if (dup2(io->in, STDIN_FILENO) < 0 || dup2(io->out, STDOUT_FILENO) < 0 ||
	    dup2(io->out, STDERR_FILENO) < 0)
		return errno;
	/* An ignored signal, unlike a handled one, would stay so in the command. */
	sigaction(SIGPIPE, &dfl, NULL);
	sigaction(SIGTTOU, &dfl, NULL);
	sigprocmask(SIG_SETMASK, &normal_mask, NULL);
	execvp(r->file, r->argv);
	return errno;
}

/*
 * The session is init's: the end of a session's leader hangs up its terminal, and what the command
 * wrote last would be thrown away before it is sent.
 */
static void own_terminal(int tty)
{
	setsid();
	ioctl(tty, TIOCSCTTY, 0);
}

/* Returns the process, or after saying what went wrong minus the status to report. */
static pid_t spawn(const struct run *r, const struct stdio *io)
{
	/* vfork: copying even a small address space costs more than the rest of starting it. */
	volatile int err = 0;
	pid_t pid;

	if (io->terminal)
		own_terminal(io->in);
	pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
	if (pid == 0) {
		err = become(r, io); /* NOLINT(clang-analyzer-unix.Vfork) */
		_exit(127);
	}
	if (pid < 0) {
		say("cannot start a process: ", strerror(errno));
		return -CONFIG_STATUS_FAILED;
	}
	if (!err)
		return pid;
	say("cannot run ", r->file, ": ", strerror(err));
	return err == ENOENT || err == ENOTDIR ? -127 : -126;
}

/* The two pipes and the copying of a raw terminal; io gets the command's ends. */
static int open_raw(const struct run *r, struct stdio *io)
{
	int in[2], out[2];
	int tty_in, tty_out, rc;

	tty_in = tty_open(r->tty, O_RDONLY);
	if (tty_in < 0)
		return tty_in;
	rc = tty_raw(tty_in);
	if (rc) {
		say("cannot set up the terminal ", r->tty, ": ", strerror(-rc));
		return rc;
	}
	report_ready();
	tty_out = tty_open(r->tty, O_WRONLY | O_NONBLOCK);
	if (tty_out < 0)
		return tty_out;
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) {
		rc = -errno;
		say("cannot make a pipe: ", strerror(-rc));
		return rc;
	}
	/* Our ends only: how an end is opened is not shared with the other one. */
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	relay_init(&input, tty_in, in[1], true);
	relay_init(&output, out[0], tty_out, false);
	*io = (struct stdio){ .in = in[0], .out = out[1] };
	return 0;
}

static int open_cooked(const struct run *r, struct stdio *io)
{
	int fd = r->tty ? tty_open(r->tty, O_RDWR) : STDIN_FILENO;
	int rc;

	if (fd < 0)
		return fd;
	/* The console may be none at all: then there is nothing to set up. */
	rc = tty_cooked(fd, r->rows, r->cols);
	if (rc && r->tty) {
		say("cannot set up the terminal ", r->tty, ": ", strerror(-rc));
		return rc;
	}
	report_ready();
	*io = (struct stdio){ .in = fd, .out = fd, .terminal = true };
	return 0;
}

int run_command(const struct run *r)
{
	struct stdio io = { .in = -1, .out = -1 };
	pid_t pid;
	int drain, status;

	if (r->raw ? open_raw(r, &io) : open_cooked(r, &io))
		return CONFIG_STATUS_FAILED;
	/* Kept apart from the relay, which closes its own at the end. */
	drain = r->raw ? dup(output.to) : io.in;
	pid = spawn(r, &io);
	if (r->raw) {
		close(io.in);
		close(io.out);
	}
	status = pid > 0 ? wait_for(pid) : -pid;
	power_stop_all(false);
	while (!relay_done(&output))
		wait_step();
	run_drain(drain);
	return status;
}
