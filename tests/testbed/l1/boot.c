// SPDX-License-Identifier: Apache-2.0
/*
 * L1 from its first instruction in user space to a root that looks like the outer machine's.
 * Process 1, before it has threads. Whatever fails here ends in l1_fail(): L1 is only good whole.
 */
#include "boot.h"

#include "fail.h"
#include "request.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORTS	 "/sys/class/virtio-ports"
#define NEW_ROOT "/root"

static void mount_at(const char *src, const char *dir, const char *type, unsigned long flags,
		     const char *data)
{
	if (mount(src, dir, type, flags, data))
		l1_fail("mounting %s (%s) on %s: %s", src, type, dir, strerror(errno));
}

static void make_dir(const char *dir, mode_t mode)
{
	if (mkdir(dir, mode) && errno != EEXIST)
		l1_fail("making directory %s: %s", dir, strerror(errno));
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		l1_fail("writing '%s' to %s: %s", text, path, strerror(errno));
	close(fd);
}

static void load_module(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		l1_fail("opening module %s: %s", path, strerror(errno));
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		l1_fail("loading module %s: %s", name, strerror(errno));
	close(fd);
	unlink(path); /* the copy in the initramfs is memory that nothing needs any more */
}

static void load_modules(void)
{
	FILE *order = fopen("/modules/order", "re");
	char name[100];

	if (!order)
		l1_fail("opening /modules/order: %s", strerror(errno));
	while (fscanf(order, "%99s", name) == 1)
		load_module(name);
	fclose(order);
}

void boot_early(void)
{
	make_dir("/dev", 0755);
	make_dir("/proc", 0755);
	make_dir("/sys", 0755);
	mount_at("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
	mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	load_modules();
}

static int try_port(const char *entry, const char *name, int flags)
{
	char path[300], got[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), PORTS "/%s/name", entry);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%63s", got) != 1)
		got[0] = '\0';
	fclose(f);
	if (strcmp(got, name))
		return -1;
	snprintf(path, sizeof(path), "/dev/%s", entry);
	return open(path, flags | O_CLOEXEC);
}

int boot_open_port(const char *name, int flags)
{
	/* The host announces ports by messages that a worker handles: they may come a little later.
	 */
	for (int tries = 0; tries < 5000; tries++) {
		DIR *dir = opendir(PORTS);
		struct dirent *d;
		int fd = -1;

		while (dir && fd < 0 && (d = readdir(dir)))
			fd = try_port(d->d_name, name, flags);
		if (dir)
			closedir(dir);
		if (fd >= 0)
			return fd;
		usleep(1000);
	}
	l1_fail("no virtio-serial port '%s' after 5 s", name);
}

static void mount_overlay(void)
{
	make_dir("/lower", 0755);
	make_dir("/scratch", 0755);
	make_dir(NEW_ROOT, 0755);
	mount_at("host", "/lower", "9p", MS_RDONLY,
		 "trans=virtio,version=9p2000.L,cache=loose,msize=512000");
	mount_at("scratch", "/scratch", "tmpfs", 0, "mode=755,size=75%");
	make_dir("/scratch/upper", 0755);
	make_dir("/scratch/work", 0755);
	mount_at("overlay", NEW_ROOT, "overlay", 0,
		 "lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work");
}

static void move_to(const char *dir)
{
	char target[64];

	snprintf(target, sizeof(target), NEW_ROOT "%s", dir);
	make_dir(target, 0755);
	mount_at(dir, target, NULL, MS_MOVE, NULL);
}

static void switch_root(void)
{
	move_to("/dev");
	move_to("/proc");
	move_to("/sys");
	/* Moved, not only chrooted into: pivot_root(2) has to work for what runs here. */
	if (chdir(NEW_ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		l1_fail("switching to the new root: %s", strerror(errno));
}

static void mount_dev(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};

	make_dir("/dev/pts", 0755);
	make_dir("/dev/shm", 01777);
	make_dir("/dev/hugepages", 0755);
	mount_at("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666");
	mount_at("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=75%");
	mount_at("hugetlbfs", "/dev/hugepages", "hugetlbfs", MS_NOSUID | MS_NODEV, NULL);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) && errno != EEXIST)
			l1_fail("making link %s: %s", links[i][1], strerror(errno));
}

static void mount_cgroup(void)
{
	mount_at("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset +cpu +io +memory +pids");
}

/* A share can lie where L1 has a file system of its own, such as /dev/shm. */
static void make_path(const char *path)
{
	char part[PATH_MAX];

	for (size_t i = 1; path[i - 1] && i < sizeof(part); i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		make_dir(part, 0755);
	}
}

static void mount_shares(const struct request *req)
{
	for (unsigned int i = 0; i < req->nr_shares; i++) {
		char tag[16];

		snprintf(tag, sizeof(tag), "rw%u", i);
		make_path(req->shares[i]);
		/* cache=mmap: plain writes reach the outer machine at once, and mmap still works.
		 */
		mount_at(tag, req->shares[i], "9p", 0,
			 "trans=virtio,version=9p2000.L,cache=mmap,msize=512000");
	}
}

static void start_loopback(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		l1_fail("bringing up lo: %s", strerror(errno));
	close(fd);
}

void boot_root(const struct request *req)
{
	const struct rlimit files = { .rlim_cur = 1024, .rlim_max = 524288 };

	mount_overlay();
	switch_root();
	mount_dev();
	mount_cgroup();
	make_dir("/run", 0755);
	mount_at("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	make_dir("/run/lock", 01777);
	mount_shares(req);
	/* Debian's systemd does this, and programs that make mount namespaces have to cope with it.
	 */
	mount_at("none", "/", NULL, MS_REC | MS_SHARED, NULL);
	start_loopback();
	if (sethostname("testbed", 7) || setrlimit(RLIMIT_NOFILE, &files))
		l1_fail("setting host name and limits: %s", strerror(errno));
	if (req->rcu_expedited)
		write_file("/sys/kernel/rcu_expedited", "1");
}

void boot_unmount_shares(const struct request *req)
{
	sync();
	for (unsigned int i = req->nr_shares; i-- > 0;)
		umount2(req->shares[i], MNT_DETACH);
}
