// SPDX-License-Identifier: Apache-2.0
#include "jailer/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/mutants.h"

/* linux/mount.h, which has these, cannot be included beside every libc's sys/mount.h. */
#define TREE_CLONE	0x1
#define TREE_RECURSIVE	0x8000
#define MOVE_FROM_EMPTY 0x4
#define MOVE_TO_EMPTY	0x40

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

static int open_below(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = resolve,
	};

	return result(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

int sys_open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	return open_below(dir, path, flags, mode,
			  MUT_RESOLVE(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
}

int sys_open_same_mount(int dir, const char *path, int flags)
{
	return open_below(dir, path, flags, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int sys_close_range(unsigned int first, unsigned int last)
{
	return first > last ? 0 : result(syscall(SYS_close_range, first, last, 0));
}

int sys_clone_tree(int dir, const char *path)
{
	return result(syscall(SYS_open_tree, dir, path,
			      TREE_CLONE | TREE_RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC));
}

int sys_attach_tree(int tree, int dir, const char *path)
{
	unsigned int flags = MOVE_FROM_EMPTY | (*path == '\0' ? MOVE_TO_EMPTY : 0);

	return result(syscall(SYS_move_mount, tree, "", dir, path, flags));
}

int sys_become_root(void)
{
	/* The old root comes to lie on the new one: no folder is needed for it. */
	int r = result(syscall(SYS_pivot_root, ".", "."));

	if (r == 0)
		r = result(umount2(".", MNT_DETACH));
	return r < 0 ? r : result(chdir("/"));
}

int sys_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].inheritable = 0;
	data[1].inheritable = 0;
	return result(syscall(SYS_capset, &header, data));
}

int sys_open_self(int proc)
{
	return result(openat(proc, "self", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

ssize_t sys_read_file(int dir, const char *path, char *buf, size_t size)
{
	int fd = sys_open_beneath(dir, path, O_RDONLY, 0);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fd;
	while (n > 0 && len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		n = -errno;
	else if (n > 0)
		n = -EFBIG;
	close(fd);
	buf[len] = '\0';
	return n < 0 ? n : (ssize_t)len;
}

int sys_write_file(int dir, const char *path, const char *text)
{
	int fd = sys_open_beneath(dir, path, O_WRONLY, 0);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, len);
	if (n < 0)
		n = -errno;
	else
		n = (size_t)n == len ? 0 : -EIO;
	close(fd);
	return (int)n;
}

void sys_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
