// SPDX-License-Identifier: Apache-2.0
/*
 * The guest's first process: says that it runs, sets up what programs expect, runs one command or a
 * shell, reports the exit status and powers off. README.md has the words of the kernel command line
 * that it obeys. One thread; boot time is counted in instructions, so nothing is done before it has
 * to be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "kernel-config/init/args.h"
#include "kernel-config/init/config.h"
#include "kernel-config/init/mounts.h"
#include "kernel-config/init/power.h"
#include "kernel-config/init/report.h"
#include "kernel-config/init/run.h"
#include "kernel-config/init/text.h"
#include "kernel-config/init/tty.h"
#include "kernel-config/init/verbs.h"

#define SHELL "/bin/sh"

/* Standard input, output and error must be something, or the next file opened becomes them. */
static void open_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/console", O_RDWR | O_NOCTTY);
		if (fd < 0)
			fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void start(void)
{
	int fd = report_boot();

	/* An initrd may bring /dev/mem; where it does not, the kernel has to. */
	if (fd < 0) {
		(void)mounts_dev();
		fd = report_boot();
	}
	/* The kernel gives us the console as 0 to 2 if it can; then the next one is 3. */
	if (fd > STDERR_FILENO)
		return;
	if (fd >= 0)
		close(fd);
	open_stdio();
	if (fd < 0)
		say("cannot map the report page through /dev/mem: ", strerror(-fd));
}

static int run_verb(const struct init_config *c, int argc, char **argv)
{
	int status, fd = -1;

	argv[0]++;
	if (!c->tty)
		return verbs_run(argc, argv, true);
	if (mounts_dev())
		return CONFIG_STATUS_FAILED;
	fd = tty_open(c->tty, O_RDWR);
	if (fd < 0)
		return CONFIG_STATUS_FAILED;
	if (c->cooked ? tty_cooked(fd, c->rows, c->cols) : tty_raw(fd))
		say("cannot set up the terminal ", c->tty, ": ", strerror(errno));
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	status = verbs_run(argc, argv, true);
	run_drain(fd);
	return status;
}

/* With everything mounted. */
static int run_program(const struct init_config *c, const char *file, char **argv)
{
	const struct run r = {
		.file = file,
		.argv = argv,
		.tty = c->tty,
		.raw = c->tty && !c->cooked,
		.rows = c->rows,
		.cols = c->cols,
	};
	static char *env[CONFIG_MAX_ARGS];

	if (config_env(c->env, environ, env, CONFIG_MAX_ARGS))
		return CONFIG_STATUS_FAILED;
	environ = env;
	return run_command(&r);
}

/*
 * The name of the terminal behind /dev/console, kept in buf, or NULL. By that name programs find it
 * in /dev, and have a controlling terminal.
 */
static const char *console_name(char *buf, size_t size)
{
	int fd = open("/sys/class/tty/console/active", O_RDONLY | O_CLOEXEC);
	char *last;
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, buf, size - 1);
	close(fd);
	/* "ttyS0\n"; of several consoles, the last one is /dev/console. */
	if (n < 2 || buf[n - 1] != '\n')
		return NULL;
	buf[n - 1] = '\0';
	last = strrchr(buf, ' ');
	return last ? last + 1 : buf;
}

/* Nobody said what to do: a shell for who sits at the console. */
static int run_console(struct init_config *c)
{
	static char login_shell[] = "-sh";
	static char name[64];
	char *argv[] = { login_shell, NULL };

	if (access(SHELL, X_OK))
		return verbs_serve();
	sethostname("mote", 4);
	mounts_all();
	c->cooked = true;
	if (!c->tty)
		c->tty = console_name(name, sizeof(name));
	return run_program(c, SHELL, argv);
}

static int run(struct init_config *c)
{
	static char *argv[CONFIG_MAX_ARGS];
	int argc = 0;

	if (c->cmd) {
		argc = args_split(c->cmd, argv, CONFIG_MAX_ARGS);
		if (argc < 0) {
			say("MOTE_CMD: ",
			    argc == -E2BIG ? "too many words" : "expected %XX after every '%'");
			return CONFIG_STATUS_FAILED;
		}
	}
	if (c->root && mounts_root(c))
		return CONFIG_STATUS_FAILED;
	run_init();
	if (argc == 0)
		return run_console(c);
	if (argv[0][0] == '@')
		return run_verb(c, argc, argv);
	mounts_all();
	return run_program(c, argv[0], argv);
}

int main(int argc, char **argv)
{
	struct init_config c = { 0 };
	int status = CONFIG_STATUS_FAILED;

	/* On any other machine, this memory and the power switch are not ours. */
	if (getpid() != 1) {
		if (argc < 2 || argv[1][0] != '@') {
			say("usage: ", argv[0], " @VERB [ARG...] ('@help' lists the verbs)");
			return 2;
		}
		argv[1]++;
		return verbs_run(argc - 1, argv + 1, false);
	}
	start();
	if (!config_read(&c, environ))
		status = run(&c);
	/* What was said must be out before the end: it is what explains the status. */
	run_drain(STDERR_FILENO);
	if (c.cmd)
		power_hush();
	report_status((unsigned int)status);
	if (c.reset)
		power_reset();
	power_off();
}
