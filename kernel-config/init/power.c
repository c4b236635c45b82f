// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/power.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel-config/init/mounts.h"
#include "kernel-config/init/text.h"

#define STEP_MS 10

/* Every process is or becomes a child of PID 1, so no child means that nobody else is left. */
static bool alone(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid < 0 && errno == ECHILD;
}

static bool signal_all(int sig, int wait_ms)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

	if (alone())
		return true;
	kill(-1, sig);
	for (; wait_ms > 0; wait_ms -= STEP_MS) {
		if (alone())
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}

void power_stop_all(bool ask)
{
	if (ask && signal_all(SIGTERM, 1000))
		return;
	if (!signal_all(SIGKILL, 2000))
		say("some processes do not end");
}

/*
 * A kernel without ACPI takes a power-off for a halt and never comes back, so it has to be known
 * before. Without sysfs it cannot be known: then the power-off is tried.
 */
static bool can_power_off(void)
{
	if (access("/sys/firmware/acpi", F_OK) == 0)
		return true;
	return mounts_sys() || access("/sys/firmware/acpi", F_OK) == 0;
}

static _Noreturn void restart(void)
{
	reboot(RB_AUTOBOOT);
	say("cannot reset: ", strerror(errno));
	for (;;)
		pause();
}

void power_hush(void)
{
	char level[2];
	int fd = open("/proc/sys/kernel/printk", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	/* "4\t4\t1\t7\n": the first number is the console's. */
	if (read(fd, level, sizeof(level)) == (ssize_t)sizeof(level) && level[0] <= '4' &&
	    level[1] == '\t')
		(void)!pwrite(fd, "0", 1, 0);
	close(fd);
}

_Noreturn void power_off(void)
{
	power_stop_all(true);
	mounts_end();
	if (can_power_off())
		reboot(RB_POWER_OFF);
	restart();
}

_Noreturn void power_reset(void)
{
	power_stop_all(true);
	mounts_end();
	restart();
}
