// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "kernel-config/init/text.h"

/* The fastest that every 16550 has; an emulated one does not care, but the driver computes with it.
 */
#define SPEED B115200

int tty_open(const char *name, int flags)
{
	static const char dir[] = "/dev/";
	char path[64];
	size_t len = strlen(name);
	int fd = -ENAMETOOLONG;

	if (len <= sizeof(path) - sizeof(dir)) {
		memcpy(path, dir, sizeof(dir) - 1);
		memcpy(path + sizeof(dir) - 1, name, len + 1);
		fd = open(path, flags | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		say("cannot open the terminal ", dir, name, ": ", strerror(-fd));
	return fd;
}

static int set(int fd, struct termios *t)
{
	cfsetispeed(t, SPEED);
	cfsetospeed(t, SPEED);
	/* Now, without waiting or discarding: what has arrived is input. */
	return tcsetattr(fd, TCSANOW, t) ? -errno : 0;
}

int tty_raw(int fd)
{
	struct termios t = {
		.c_iflag = PARMRK,
		.c_cflag = CS8 | CREAD | CLOCAL | CRTSCTS,
	};

	t.c_cc[VMIN] = 1;
	return set(fd, &t);
}

int tty_cooked(int fd, unsigned short rows, unsigned short cols)
{
	const struct winsize size = { .ws_row = rows, .ws_col = cols };
	struct termios t;

	/* The driver's control characters are the usual ones. */
	if (tcgetattr(fd, &t))
		return -errno;
	t.c_iflag = IGNBRK | ICRNL | IXON | IUTF8;
	t.c_oflag = OPOST | ONLCR;
	t.c_cflag = CS8 | CREAD | CLOCAL | HUPCL;
	t.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	if (rows && cols)
		ioctl(fd, TIOCSWINSZ, &size);
	return set(fd, &t);
}
