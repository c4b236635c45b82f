// SPDX-License-Identifier: Apache-2.0
/*
 * Starts one monitor and times it: the clock is read right before exec, in the process that becomes
 * the monitor, and again when a line appears on the monitor's standard output. Static and small, so
 * that it costs the same everywhere, also where every instruction is counted.
 *
 * What it learns goes to standard output, one fact a line:
 *   start_ns N      CLOCK_MONOTONIC right before exec
 *   seen_ns N       from then until the text of --until had been read
 *   end_ns N        from then until the monitor had ended
 *   status WORD N   "exit" with its status or "signal" with its number
 *   pid N           with --leave: instead of end_ns and status, and the monitor runs on
 *   smaps LINE      with --smaps, a line of the monitor's /proc/PID/smaps, guest running
 *   out LINE, err LINE   what the monitor wrote; out only when --until was not seen, or with --wait
 * Exit status: 0, 3 when --until was not seen, 1 when the monitor could not be started, 2 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_WORD  "@START_US@" /* argument that is replaced by the time of the exec */
#define KEEP	    65536u
#define SETTLE_MS   50 /* from the guest's line to the look at its monitor's memory */
#define PATIENCE_MS 5000

struct options {
	const char *until;
	bool smaps;
	bool leave;
	bool wait;
	int timeout_ms;
	char **command;
};

/* What one of the monitor's outputs said: the first KEEP bytes. */
struct text {
	int fd;
	size_t len;
	char s[KEEP + 1];
};

struct child {
	pid_t pid;
	int in_fd;	    /* stays open: the end of its input may end a monitor */
	uint64_t *start_ns; /* shared with the child, which knows it */
	struct text out;
	struct text err;
};

static struct child the_child;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *value)
{
	fprintf(stderr, "measure: %s %s: %s\n", what, value, strerror(errno));
	exit(1);
}

/* By hand: printf would be a part of what is measured. */
static void put_decimal(char *to, uint64_t v)
{
	char digit[20];
	int n = 0;

	do {
		digit[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	while (n > 0)
		*to++ = digit[--n];
	*to = '\0';
}

static _Noreturn void become(const struct options *o, uint64_t *start_ns)
{
	static char us[24];
	char **start = o->command;

	while (*start && strcmp(*start, START_WORD) != 0)
		start++;
	*start_ns = now_ns();
	if (*start) {
		put_decimal(us, *start_ns / 1000);
		*start = us;
	}
	execv(o->command[0], o->command);
	fail("cannot execute", o->command[0]);
}

static void make_pipe(int end[2])
{
	if (pipe2(end, O_CLOEXEC) < 0)
		fail("cannot make", "a pipe");
}

static void start(struct child *c, const struct options *o)
{
	int in[2], out[2], err[2];

	make_pipe(in);
	make_pipe(out);
	make_pipe(err);
	c->start_ns = mmap(NULL, sizeof(*c->start_ns), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->start_ns == MAP_FAILED)
		fail("cannot map", "a shared page");
	*c->start_ns = 0; /* the page exists before the clock is read */
	fflush(NULL);
	c->pid = fork();
	if (c->pid < 0)
		fail("cannot", "fork");
	if (c->pid == 0) {
		if (o->leave)
			fcntl(in[1], F_SETFD, 0); /* its input does not end with us */
		else
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		become(o, c->start_ns);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	c->in_fd = in[1];
	c->out.fd = out[0];
	c->err.fd = err[0];
}

/* Takes what is there. False at the end of the file, and what does not fit is dropped. */
static bool take(struct text *t)
{
	char over[256];
	size_t room = KEEP - t->len;
	ssize_t n = read(t->fd, room ? t->s + t->len : over, room ? room : sizeof(over));

	if (n > 0 && room > 0) {
		t->len += (size_t)n;
		t->s[t->len] = '\0';
	}
	if (n > 0)
		return true;
	close(t->fd);
	t->fd = -1;
	return false;
}

/*
 * Reads the monitor's outputs until it has said `until` or has ended, or the time is up. The time
 * at which `until` was there; 0 when it was not.
 */
static uint64_t listen_to(struct child *c, const char *until, int timeout_ms)
{
	const uint64_t deadline = now_ns() + (uint64_t)timeout_ms * 1000000u;

	while (c->out.fd >= 0 || c->err.fd >= 0) {
		struct pollfd p[2] = { { .fd = c->out.fd, .events = POLLIN },
				       { .fd = c->err.fd, .events = POLLIN } };

		if (poll(p, 2, timeout_ms) < 0 && errno != EINTR)
			fail("cannot wait for", "the monitor");
		if (p[0].revents != 0 && take(&c->out) && until && strstr(c->out.s, until))
			return now_ns();
		if (p[1].revents != 0)
			take(&c->err);
		if (now_ns() > deadline)
			break;
	}
	return 0;
}

static void print_lines(const char *key, char *s)
{
	for (s += strspn(s, "\r\n"); *s != '\0'; s += strspn(s, "\r\n")) {
		size_t len = strcspn(s, "\r\n");

		printf("%s %.*s\n", key, (int)len, s);
		s += len;
	}
}

static void print_smaps(pid_t pid)
{
	char path[32], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "r");
	if (!f)
		fail("cannot read", path);
	while (fgets(line, sizeof(line), f))
		printf("smaps %s", line);
	fclose(f);
}

/* Asks the monitor to end, and does not ask again; or waits until it does. Prints how it ended. */
static void finish(struct child *c, const struct options *o)
{
	int status = 0;

	if (o->wait)
		(void)listen_to(c, NULL, o->timeout_ms);
	if (c->out.fd >= 0 || c->err.fd >= 0) {
		kill(c->pid, SIGTERM);
		(void)listen_to(c, NULL, PATIENCE_MS);
		if (c->out.fd >= 0 || c->err.fd >= 0)
			kill(c->pid, SIGKILL);
	}
	if (waitpid(c->pid, &status, 0) < 0)
		fail("cannot wait for", "the monitor");
	printf("end_ns %llu\n", (unsigned long long)(now_ns() - *c->start_ns));
	if (WIFSIGNALED(status))
		printf("status signal %d\n", WTERMSIG(status));
	else
		printf("status exit %d\n", WEXITSTATUS(status));
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: measure [--until TEXT] [--smaps] [--leave|--wait] [--timeout-ms N] -- FILE "
		"[ARG...]\n"
		"Executes FILE and prints when TEXT appeared on its standard output and when it "
		"ended;\n"
		"after TEXT it is told to end. An argument " START_WORD " becomes the time of the "
		"exec.\n"
		"  --until TEXT     what to wait for (default: the end of FILE)\n"
		"  --smaps          print the process's memory maps when TEXT has come\n"
		"  --leave          when TEXT has come, print the process's number and let it run\n"
		"  --wait           when TEXT has come, do not tell it to end, as it does so by "
		"itself\n"
		"  --timeout-ms N   give up after this time (default 60000)\n");
}

static _Noreturn void bad_argument(const char *arg)
{
	fprintf(stderr, "measure: argument '%s', expected what --help says\n", arg);
	exit(2);
}

static void parse(struct options *o, char **argv)
{
	char *end = NULL;

	for (argv++; *argv && strcmp(*argv, "--") != 0; argv++) {
		if (strcmp(*argv, "--help") == 0) {
			usage(stdout);
			exit(0);
		}
		if (strcmp(*argv, "--smaps") == 0)
			o->smaps = true;
		else if (strcmp(*argv, "--leave") == 0)
			o->leave = true;
		else if (strcmp(*argv, "--wait") == 0)
			o->wait = true;
		else if (argv[1] && strcmp(*argv, "--until") == 0)
			o->until = *++argv;
		else if (argv[1] && strcmp(*argv, "--timeout-ms") == 0)
			o->timeout_ms = (int)strtol(*++argv, &end, 10);
		else
			bad_argument(*argv);
		if (end && (*end != '\0' || o->timeout_ms <= 0))
			bad_argument(*argv);
	}
	if (!*argv || !argv[1])
		bad_argument("(no FILE)");
	o->command = argv + 1;
}

int main(int argc, char **argv)
{
	struct options o = { .timeout_ms = 60000 };
	struct child *c = &the_child;
	const struct timespec settle = { .tv_nsec = SETTLE_MS * 1000000L };
	uint64_t seen;

	(void)argc;
	parse(&o, argv);
	start(c, &o);
	seen = listen_to(c, o.until, o.timeout_ms);
	if (seen && o.smaps) {
		nanosleep(&settle, NULL);
		print_smaps(c->pid);
	}
	if (seen && o.leave)
		printf("pid %d\n", (int)c->pid);
	else
		finish(c, &o);
	printf("start_ns %llu\n", (unsigned long long)*c->start_ns);
	if (seen)
		printf("seen_ns %llu\n", (unsigned long long)(seen - *c->start_ns));
	if (!seen || o.wait)
		print_lines("out", c->out.s);
	print_lines("err", c->err.s);
	return o.until && !seen ? 3 : 0;
}
