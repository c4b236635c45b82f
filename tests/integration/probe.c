// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for the monitor in a jail, and tells what it can see and do there. Started by the
 * jailer with the monitor's arguments, of which the words after the first nine are its commands:
 *
 *   report        what it is and has, one fact a line
 *   files         all files from "/": type, mode, owner, device, path
 *   try           what must not work, each as "try NAME ERRNO"
 *   forks         makes 500 children, or as many as it can: "forks N ERRNO"
 *   eat MIB       touches that much memory: "ate MIB" unless it was killed for it
 *   write         makes the file /run/made
 *   hold          waits for a signal
 *   stop          ends with status 7
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_ARGS 9
#define MANY	 500

static void report_limits(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	printf("no-file %llu %llu\n", (unsigned long long)l.rlim_cur,
	       (unsigned long long)l.rlim_max);
	getrlimit(RLIMIT_FSIZE, &l);
	printf("fsize %lld %lld\n", (long long)l.rlim_cur, (long long)l.rlim_max);
}

static void report(int argc, char **argv)
{
	extern char **environ;
	struct if_nameindex *names = if_nameindex();
	gid_t groups[64];
	char text[256] = "";
	uid_t r, e, s;
	int n = 0;

	getresuid(&r, &e, &s);
	printf("uid %u %u %u\n", r, e, s);
	getresgid(&r, &e, &s);
	printf("gid %u %u %u\n", r, e, s);
	printf("groups %d\n", getgroups(64, groups));
	while (environ && environ[n])
		n++;
	printf("env %d\n", n);
	printf("fds");
	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			printf(" %d", fd);
	}
	printf("\npid %d\nsid %d\n", getpid(), getsid(0));
	gethostname(text, sizeof(text) - 1);
	printf("host %s\n", text);
	printf("cwd %s\n", getcwd(text, sizeof(text)) ? text : "?");
	printf("nnp %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	printf("net");
	for (n = 0; names && names[n].if_index; n++)
		printf(" %s", names[n].if_name);
	printf("\nargs");
	for (n = 0; n < argc && n < OWN_ARGS; n++)
		printf(" %s", argv[n]);
	printf("\n");
	report_limits();
}

static void files(const char *path)
{
	DIR *d = opendir(*path ? path : "/");
	const struct dirent *entry;

	while (d && (entry = readdir(d)) != NULL) {
		char name[1024];
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (lstat(name, &st) < 0)
			continue;
		printf("file %o %u:%u %u:%u %s\n", st.st_mode, st.st_uid, st.st_gid,
		       major(st.st_rdev), minor(st.st_rdev), name);
		if (S_ISDIR(st.st_mode))
			files(name);
	}
	if (d)
		closedir(d);
}

static const char *name_of(int e)
{
	static const struct {
		int e;
		const char *name;
	} names[] = { { EPERM, "EPERM" },   { EACCES, "EACCES" }, { ENOENT, "ENOENT" },
		      { ESRCH, "ESRCH" },   { EAGAIN, "EAGAIN" }, { EBADF, "EBADF" },
		      { ENOSYS, "ENOSYS" }, { EINVAL, "EINVAL" }, { ENETUNREACH, "ENETUNREACH" } };
	static char number[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].e == e)
			return names[i].name;
	}
	snprintf(number, sizeof(number), "%d", e);
	return number;
}

static void tried(const char *name, long r)
{
	printf("try %s %s\n", name, r < 0 ? name_of(errno) : "WORKED");
}

static long open_fails(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC);
}

static long connect_out(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(0x7f000001);
	return fd < 0 ? fd : connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static void try_all(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct all[2] = { { ~0u, ~0u, ~0u }, { ~0u, ~0u, ~0u } };

	tried("setuid", setresuid(0, 0, 0));
	tried("setgid", setresgid(0, 0, 0));
	tried("setgroups", setgroups(0, NULL));
	tried("capset", syscall(SYS_capset, &header, all));
	tried("chroot", chroot("/run"));
	tried("mount", mount("none", "/run", "tmpfs", 0, NULL));
	tried("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
	tried("umount", umount2("/", MNT_DETACH));
	tried("pivot_root", syscall(SYS_pivot_root, ".", "."));
	tried("unshare-mnt", unshare(CLONE_NEWNS));
	tried("unshare-net", unshare(CLONE_NEWNET));
	tried("setns", syscall(SYS_setns, syscall(SYS_pidfd_open, getpid(), 0), CLONE_NEWNS));
	tried("mknod-disk", mknod("/run/disk", S_IFBLK | 0600, makedev(8, 0)));
	tried("mknod-mem", mknod("/run/mem", S_IFCHR | 0600, makedev(1, 1)));
	tried("sethostname", sethostname("x", 1));
	tried("reboot", reboot(RB_DISABLE_CAD));
	tried("init_module", syscall(SYS_init_module, "", 0, ""));
	tried("iopl", syscall(SYS_iopl, 3));
	tried("open_by_handle", syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY));
	tried("nice", setpriority(PRIO_PROCESS, 0, -5));
	tried("ptrace-init", ptrace(PTRACE_SEIZE, 1, 0, 0));
	tried("kill-init", kill(1, SIGKILL));
	tried("kill-parent", getppid() > 0 ? kill(getppid(), 0) : (errno = ESRCH, -1));
	tried("proc", open_fails("/proc/self/status"));
	tried("sys", open_fails("/sys/kernel"));
	tried("etc", open_fails("/etc/passwd"));
	tried("upwards", open_fails("/../../../../../../etc/passwd"));
	tried("mem", open_fails("/dev/mem"));
	tried("tty", open_fails("/dev/tty"));
	tried("connect", connect_out());
}

static void forks(void)
{
	static pid_t children[MANY];
	unsigned int n = 0;
	int why = 0;

	fflush(stdout);
	for (; n < MANY; n++) {
		children[n] = fork();
		if (children[n] < 0) {
			why = errno;
			break;
		}
		if (children[n] == 0) {
			pause();
			_exit(0);
		}
	}
	printf("forks %u %s\n", n, why ? name_of(why) : "WORKED");
	for (unsigned int i = 0; i < n; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
}

static void eat(size_t mib)
{
	char *p = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < mib << 20; i += 4096)
		p[i] = 1;
	printf("ate %zu\n", mib);
}

int main(int argc, char **argv)
{
	for (int i = OWN_ARGS; i < argc; i++) {
		if (strcmp(argv[i], "report") == 0)
			report(argc, argv);
		else if (strcmp(argv[i], "files") == 0)
			files("");
		else if (strcmp(argv[i], "try") == 0)
			try_all();
		else if (strcmp(argv[i], "forks") == 0)
			forks();
		else if (strcmp(argv[i], "eat") == 0 && i + 1 < argc)
			eat(strtoul(argv[++i], NULL, 10));
		else if (strcmp(argv[i], "write") == 0)
			tried("write", open("/run/made", O_CREAT | O_WRONLY, 0600));
		else if (strcmp(argv[i], "stop") == 0)
			return 7;
		else if (strcmp(argv[i], "hold") == 0) {
			printf("holding\n");
			fflush(stdout);
			pause();
		}
		fflush(stdout);
	}
	return 0;
}
