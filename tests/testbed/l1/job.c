// SPDX-License-Identifier: Apache-2.0
/*
 * The command: started by process 1's main thread, which then waits for its end or for the order
 * to end it. One thread for each output stream copies from a pipe to a port. Pipes, because a port
 * cannot be opened twice, and programs do open /dev/stderr. Threads, because kill(-1) spares them.
 */
#include "job.h"

#include "fail.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 2000 /* between SIGTERM and SIGKILL when the time is up */

struct copier {
	pthread_t thread;
	int from; /* pipe, closed by the thread */
	int to;	  /* port, borrowed */
	uint64_t bytes;
};

static void *copy_loop(void *arg)
{
	static _Thread_local char buf[32768]; /* the driver takes no more at once */
	struct copier *c = arg;

	for (;;) {
		ssize_t n = read(c->from, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(c->to, buf + done, (size_t)(n - done));

			if (w < 0 && errno != EINTR)
				goto out;
			if (w > 0)
				done += w;
		}
		c->bytes += (uint64_t)n;
	}
out:
	close(c->from); /* when the port failed, the command gets SIGPIPE instead of a stall */
	return NULL;
}

static int copier_start(struct copier *c, int to)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		l1_fail("making a pipe: %s", strerror(errno));
	c->from = fds[0];
	c->to = to;
	c->bytes = 0;
	return fds[1];
}

static void copier_spawn(struct copier *c)
{
	int err = pthread_create(&c->thread, NULL, copy_loop, c);

	if (err)
		l1_fail("starting an output thread: %s", strerror(err));
}

/* In the child. What goes wrong here is said on the command's own standard error. */
static void __attribute__((noreturn)) exec_command(const struct request *req, int out, int err)
{
	extern char **environ;
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);
	int status;

	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	setsid();
	umask(022);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = req->envp;
	execvp(req->argv[0], req->argv);
	status = errno == ENOENT ? 127 : 126;
	dprintf(STDERR_FILENO, "testbed: cannot run '%s': %s\n", req->argv[0], strerror(errno));
	_exit(status);
}

static int wait_status(int ws)
{
	return WIFSIGNALED(ws) ? 128 + WTERMSIG(ws) : WEXITSTATUS(ws);
}

/* Reaps everything that has ended. Returns 1 with the status when @pid was among it. */
static int reap(pid_t pid, int *status)
{
	int found = 0, ws;
	pid_t got;

	while ((got = waitpid(-1, &ws, WNOHANG)) > 0) {
		if (got != pid)
			continue;
		*status = wait_status(ws);
		found = 1;
	}
	return found;
}

static int wait_for(pid_t pid, int ctl, int sigfd)
{
	struct pollfd fds[2] = { { .fd = sigfd, .events = POLLIN },
				 { .fd = ctl, .events = POLLIN } };
	int timeout = -1, status = 0;

	while (!reap(pid, &status)) {
		struct signalfd_siginfo info;
		char order;

		if (poll(fds, 2, timeout) == 0) {
			kill(-1, SIGKILL);
			timeout = -1;
		}
		if (fds[0].revents & POLLIN)
			(void)!read(sigfd, &info, sizeof(info));
		if (fds[1].revents & (POLLHUP | POLLERR))
			fds[1].fd = -1;
		else if ((fds[1].revents & POLLIN) && read(ctl, &order, 1) == 1 && order == 'T') {
			kill(-1, SIGTERM);
			timeout = GRACE_MS;
		}
	}
	return status;
}

static void kill_rest(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

struct job_result job_run(const struct request *req, int ctl, int out, int err)
{
	struct copier cout, cerr;
	struct job_result res;
	int out_w = copier_start(&cout, out), err_w = copier_start(&cerr, err);
	sigset_t set;
	pid_t pid;
	int sigfd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	if (sigfd < 0)
		l1_fail("signalfd: %s", strerror(errno));
	if (chdir(req->cwd))
		l1_fail("directory '%s' does not exist inside: %s", req->cwd, strerror(errno));
	dprintf(ctl, "start\n");
	pid = fork();
	if (pid < 0)
		l1_fail("fork: %s", strerror(errno));
	if (pid == 0)
		exec_command(req, out_w, err_w);
	close(out_w);
	close(err_w);
	copier_spawn(&cout);
	copier_spawn(&cerr);

	res.status = wait_for(pid, ctl, sigfd);
	kill_rest();
	pthread_join(cout.thread, NULL);
	pthread_join(cerr.thread, NULL);
	close(sigfd);
	res.out = cout.bytes;
	res.err = cerr.bytes;
	return res;
}
