// SPDX-License-Identifier: Apache-2.0
/* Main thread. */
#include "vmm/run_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/options.h"
#include "vmm/passt.h"
#include "vmm/term.h"
#include "vmm/util.h"

/* ---- one setter a row ------------------------------------------------------------------------ */

static int set_kernel(void *ctx, const char *v, struct err *e)
{
	(void)e;
	((struct run_options *)ctx)->kernel = v;
	return 0;
}

static int set_initrd(void *ctx, const char *v, struct err *e)
{
	(void)e;
	((struct run_options *)ctx)->initrd = v;
	return 0;
}

/* IMG[:ro] in two: `path` has room for VM_PATH_MAX bytes. */
static int split_image(const char *option, const char *v, char *path, bool *read_only,
		       struct err *e)
{
	size_t len = strlen(v);

	*read_only = len > 3 && strcmp(v + len - 3, ":ro") == 0;
	if (*read_only)
		len -= 3;
	if (len == 0 || len >= VM_PATH_MAX)
		return err_set(e, -EINVAL, "option '--%s': a path of %zu bytes, expected 1 to %u",
			       option, len, VM_PATH_MAX - 1);
	memcpy(path, v, len);
	path[len] = '\0';
	return 0;
}

static int set_rootfs(void *ctx, const char *v, struct err *e)
{
	struct run_options *o = ctx;

	return split_image("rootfs", v, o->rootfs, &o->rootfs_read_only, e);
}

static int add_disk(void *ctx, const char *v, struct err *e)
{
	struct run_options *o = ctx;
	char path[VM_PATH_MAX];
	bool read_only;
	int r = split_image("disk", v, path, &read_only, e);

	if (r < 0)
		return r;
	if (o->nr_disks == VM_MAX_DRIVES)
		return err_set(e, -EINVAL,
			       "option '--disk': %s is one too many, expected at most %u disks", v,
			       VM_MAX_DRIVES);
	o->disk[o->nr_disks++] = v;
	return 0;
}

static int set_cpus(void *ctx, const char *v, struct err *e)
{
	return options_number("cpus", v, 1, MAX_VCPUS, &((struct run_options *)ctx)->cpus, e);
}

static int set_mem(void *ctx, const char *v, struct err *e)
{
	/* The upper bound is the host's memory, which memory_init knows. */
	return options_number("mem", v, VM_MIN_MEM_MIB, UINT32_MAX,
			      &((struct run_options *)ctx)->mem_mib, e);
}

static int set_append(void *ctx, const char *v, struct err *e)
{
	if (cmdline_check(v) < 0)
		return err_set(e, -EINVAL,
			       "option '--append': expected printable ASCII characters only");
	((struct run_options *)ctx)->append = v;
	return 0;
}

/* Picks one of `words` by name; its index, or -EINVAL. */
static int choose(const char *name, const char *v, const char *const *words, int nr, struct err *e)
{
	char expected[64] = "";

	for (int i = 0; i < nr; i++) {
		size_t at = strlen(expected);

		if (strcmp(v, words[i]) == 0)
			return i;
		snprintf(expected + at, sizeof(expected) - at, "%s%s", i > 0 ? ", " : "", words[i]);
	}
	return err_set(e, -EINVAL, "option '--%s': '%s', expected one of %s", name, v, expected);
}

static int set_load(void *ctx, const char *v, struct err *e)
{
	static const char *const word[] = { [LOAD_COPY] = "copy", [LOAD_MAP] = "map" };
	int i = choose("kernel-load", v, word, ARRAY_SIZE(word), e);

	if (i >= 0)
		((struct run_options *)ctx)->load = (enum load_mode)i;
	return i < 0 ? i : 0;
}

static int set_pages(void *ctx, const char *v, struct err *e)
{
	static const char *const word[] = {
		[MEM_THP] = "thp", [MEM_SMALL] = "small", [MEM_HUGETLB] = "hugetlb"
	};
	int i = choose("pages", v, word, ARRAY_SIZE(word), e);

	if (i >= 0)
		((struct run_options *)ctx)->backing = (enum mem_backing)i;
	return i < 0 ? i : 0;
}

static int set_start(void *ctx, const char *v, struct err *e)
{
	return options_number("start-time-us", v, 1, UINT64_MAX / 1000,
			      &((struct run_options *)ctx)->start_us, e);
}

static int set_entropy(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct run_options *)ctx)->entropy = true;
	return 0;
}

static int set_vsock(void *ctx, const char *v, struct err *e)
{
	struct run_options *o = ctx;
	const char *colon = strrchr(v, ':');
	size_t len = strlen(v);

	o->vsock_cid = 3;
	if (colon && colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
		int r = options_number("vsock", colon + 1, 3, UINT32_MAX - 1, &o->vsock_cid, e);

		if (r < 0)
			return r;
		len = (size_t)(colon - v);
	}
	if (len == 0 || len >= sizeof(o->vsock))
		return err_set(e, -EINVAL,
			       "option '--vsock': a path of %zu bytes, expected 1 to %zu", len,
			       sizeof(o->vsock) - 1);
	memcpy(o->vsock, v, len);
	o->vsock[len] = '\0';
	return 0;
}

/* "xx:xx:xx:xx:xx:xx", and not one of a group. */
static int parse_mac(const char *v, size_t len, uint8_t mac[6])
{
	if (len != 17 || (strspn(v, "0123456789abcdefABCDEF:") < len))
		return -EINVAL;
	for (unsigned int i = 0; i < 6; i++, v += 3) {
		char *end;

		mac[i] = (uint8_t)strtoul(v, &end, 16);
		if (end != v + 2 || *v == ':' || (i < 5 && *end != ':'))
			return -EINVAL;
	}
	return mac[0] & 1 ? -EINVAL : 0;
}

/* TAP[,mac=MAC][,mtu=BYTES] */
static int set_net(void *ctx, const char *v, struct err *e)
{
	struct run_options *o = ctx;
	size_t len = strcspn(v, ",");
	const char *at = v + len;

	if (len == 0 || len >= sizeof(o->net))
		return err_set(e, -EINVAL, "option '--net': a tap of %zu bytes, expected 1 to %zu",
			       len, sizeof(o->net) - 1);
	memcpy(o->net, v, len);
	while (*at == ',') {
		const char *word = at + 1;
		unsigned long mtu;
		char *end;

		at = word + strcspn(word, ",");
		mtu = strtoul(word + min_u64(4, (uint64_t)(at - word)), &end, 10);
		if (strncmp(word, "mac=", 4) == 0 &&
		    parse_mac(word + 4, (size_t)(at - word) - 4, o->net_mac) == 0)
			o->net_has_mac = true;
		else if (strncmp(word, "mtu=", 4) == 0 && end == at && mtu >= 68 && mtu <= 65535)
			o->net_mtu = (uint16_t)mtu;
		else
			return err_set(e, -EINVAL,
				       "option '--net': '%.*s', expected mac=xx:xx:xx:xx:xx:xx or "
				       "mtu=68 to 65535",
				       (int)(at - word), word);
	}
	return 0;
}

static int set_boot_timer(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct run_options *)ctx)->boot_timer = true;
	return 0;
}

static int set_no_seccomp(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct run_options *)ctx)->confine.no_seccomp = true;
	return 0;
}

static int set_seccomp_kill(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct run_options *)ctx)->confine.seccomp_kill = true;
	return 0;
}

static int set_core_dumps(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct run_options *)ctx)->confine.core_dumps = true;
	return 0;
}

static int set_seccomp_filter(void *ctx, const char *v, struct err *e)
{
	(void)e;
	((struct run_options *)ctx)->confine.seccomp_filter = v;
	return 0;
}

static int set_help(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct run_options *)ctx)->help = true;
	return 0;
}

static const struct option_row rows[] = {
	{ "kernel", "FILE",
	  "guest kernel: ELF vmlinux or bzImage (default: the one built with mote)", set_kernel },
	{ "initrd", "FILE", "initial ram disk (default: ours, unless --rootfs boots by itself)",
	  set_initrd },
	{ "rootfs", "IMG[:ro]", "root disk, /dev/vda in the guest; a file or a block device",
	  set_rootfs },
	{ "disk", "IMG[:ro]...", "a further disk: /dev/vdb, or /dev/vda without --rootfs",
	  add_disk },
	{ "cpus", "N", "virtual CPUs, 1 to 32 (default 1)", set_cpus },
	{ "mem", "MIB", "guest memory in MiB, 16 up to the host's (default 128)", set_mem },
	{ "append", "ARGS", "more words for the kernel's command line", set_append },
	{ "kernel-load", "copy|map", "copy the kernel in (default), or map it and share its pages",
	  set_load },
	{ "pages", "thp|small|hugetlb", "pages behind guest memory (default thp)", set_pages },
	{ "net", "NET[,mac=M][,mtu=N]",
	  "network: a tap's name, /dev/tapN of a macvtap, fd:N, unix:PATH,\n"
	  "or user (passt)",
	  set_net },
	{ "entropy", NULL, "add a virtio entropy device", set_entropy },
	{ "vsock", "PATH[:CID]", "vsock by the Unix socket PATH, which is made (default CID 3)",
	  set_vsock },
	{ "boot-timer", NULL, "say on standard error how long the boot took", set_boot_timer },
	{ "start-time-us", "US", "count the boot from this CLOCK_MONOTONIC time", set_start },
	{ "seccomp-filter", "FILE", "system call filters of one's own, made by mote-seccomp",
	  set_seccomp_filter },
	{ "no-seccomp", NULL, "no system call filters", set_no_seccomp },
	{ "seccomp-kill", NULL, "a refused system call kills at once, without a word",
	  set_seccomp_kill },
	{ "core-dumps", NULL, "a crash may leave a core dump, without guest memory; no Landlock",
	  set_core_dumps },
	{ "help", NULL, "this text", set_help },
};

int run_options_parse(struct run_options *o, int argc, char **argv, struct err *e)
{
	int rest;
	int r;

	memset(o, 0, sizeof(*o));
	o->cpus = 1;
	o->mem_mib = 128;
	r = options_parse(rows, ARRAY_SIZE(rows), argc, argv, o, &rest, e);
	if (r < 0)
		return r;
	/* A file's pages are small ones. */
	if (o->load == LOAD_MAP && o->backing == MEM_HUGETLB)
		return err_set(e, -EINVAL,
			       "option '--kernel-load': 'map', expected copy with --pages hugetlb");
	if (rest < argc)
		o->command = (const char *const *)&argv[rest];
	return confine_check_options(&o->confine, e);
}

void run_options_script(struct run_options *o)
{
	static const char *const shell[] = { "sh", NULL };

	if (o->command || o->kernel || o->initrd || o->rootfs[0] != '\0' || isatty(STDIN_FILENO))
		return;
	if (!o->append || !strstr(o->append, "MOTE_CMD="))
		o->command = shell;
}

void run_options_help(void)
{
	printf("usage: mote run [OPTION]... [-- COMMAND ARG...]\n\n"
	       "Boots a Linux kernel in a microVM, with its console on this terminal.\n"
	       "With a COMMAND, runs that in the guest: its input and output are ours,\n"
	       "kernel messages go to standard error, and its exit status becomes ours.\n"
	       "Without one, a shell; where standard input is no terminal, that is its "
	       "script.\n\n");
	options_help(rows, ARRAY_SIZE(rows));
	printf("\nOn a terminal, Ctrl-A x leaves, Ctrl-A d sends Ctrl-Alt-Del, and Ctrl-A Ctrl-A\n"
	       "sends Ctrl-A.\n\n"
	       "exit status: that of COMMAND; 0 when a guest without one powered off or rebooted;\n"
	       "122 triple fault, 123 the guest ended before COMMAND did, 125 host failure,\n"
	       "148 a system call was refused, 152 unusable kernel, initrd, disk or size,\n"
	       "153 wrong argument.\n");
}

/* ---- from options to a configuration ----------------------------------------------------------
 */

/*
 * Finds a file that is built or installed with us: `guest/NAME` beside the program (a build
 * directory), or `../share/mote/NAME` (an installation).
 */
static int find_ours(const char *name, char *path, size_t size, struct err *e)
{
	char exe[VM_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0)
		return err_sys(e, -errno, "/proc/self/exe");
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	snprintf(path, size, "%s/guest/%s", exe, name);
	if (access(path, F_OK) == 0)
		return 0;
	snprintf(path, size, "%s/../share/mote/%s", exe, name);
	if (access(path, F_OK) == 0)
		return 0;
	return err_set(e, -ENOENT,
		       "%s: not found in %s/guest or %s/../share/mote: run 'make', or "
		       "name one",
		       name, exe, exe);
}

/* Opens a file to read; `kind` is for the message. Not waiting for a FIFO's writer. */
static int open_file(const char *kind, const char *path, char *name, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_sys(e, -errno, "%s %s", kind, path);
	snprintf(name, VM_PATH_MAX, "%s", path);
	return fd;
}

static int open_kernel(const struct run_options *o, struct vm_config *c, struct err *e)
{
	char path[VM_PATH_MAX * 2];
	int r;

	if (!o->kernel) {
		r = find_ours("vmlinux", path, sizeof(path), e);
		if (r < 0)
			return r;
	}
	c->kernel_fd = open_file("kernel", o->kernel ? o->kernel : path, c->kernel_name, e);
	return c->kernel_fd < 0 ? c->kernel_fd : 0;
}

/* Ours is needed where nothing else has an init that runs commands. */
static int open_initrd(const struct run_options *o, struct vm_config *c, struct err *e)
{
	bool ours = !o->initrd && (o->command || o->rootfs[0] == '\0');
	char path[VM_PATH_MAX * 2];
	int r;

	if (!o->initrd && !ours)
		return 0;
	if (ours) {
		r = find_ours("initrd.cpio", path, sizeof(path), e);
		if (r < 0)
			return r;
	}
	c->initrd_fd = open_file("initrd", ours ? path : o->initrd, c->initrd_name, e);
	return c->initrd_fd < 0 ? c->initrd_fd : 0;
}

/* The next drive. */
static int open_disk(struct vm_config *c, const char *path, bool read_only, struct err *e)
{
	struct drive_config *d = &c->drive[c->nr_drives];
	int r;

	if (c->nr_drives == VM_MAX_DRIVES)
		return err_set(e, -EINVAL, "disk %s: one too many, expected at most %u", path,
			       VM_MAX_DRIVES);
	r = blk_file_open(&d->file, path, read_only, e);
	if (r < 0)
		return r;
	d->flush = true;
	c->nr_drives++;
	if (d->file.sectors == 0)
		return err_set(e, -EINVAL,
			       "disk %s: %lld bytes, expected at least one sector of %u", path,
			       (long long)lseek(d->file.fd, 0, SEEK_END), BLK_SECTOR);
	return 0;
}

static int open_disks(const struct run_options *o, struct vm_config *c, struct err *e)
{
	char path[VM_PATH_MAX];
	bool read_only;
	int r = 0;

	if (o->rootfs[0] != '\0')
		r = open_disk(c, o->rootfs, o->rootfs_read_only, e);
	for (unsigned int i = 0; r == 0 && i < o->nr_disks; i++) {
		r = split_image("disk", o->disk[i], path, &read_only, e);
		if (r == 0)
			r = open_disk(c, path, read_only, e);
	}
	return r;
}

static int open_vsock(const struct run_options *o, struct vm_config *c, struct err *e)
{
	int r;

	if (o->vsock[0] == '\0')
		return 0;
	r = vsock_uds_open(&c->vsock, o->vsock, e);
	if (r < 0)
		return r;
	c->has_vsock = true;
	c->vsock_cid = (uint32_t)o->vsock_cid;
	return 0;
}

static int open_net(const struct run_options *o, struct vm_config *c, struct err *e)
{
	int r;

	if (o->net[0] == '\0')
		return 0;
	c->net[0] = (struct net_config){ .has_mac = o->net_has_mac, .mtu = o->net_mtu };
	memcpy(c->net[0].mac, o->net_mac, sizeof(o->net_mac));
	if (strcmp(o->net, "user") == 0)
		r = passt_start(&c->net[0].backend, e);
	else
		r = net_backend_open(&c->net[0].backend, o->net, e);
	if (r == 0)
		c->nr_nets = 1;
	return r;
}

/* The guest's terminal is ours, with its size and type, when we have one on both ends. */
static int add_terminal(char *line, bool interactive)
{
	const char *term = getenv("TERM");
	struct winsize w;
	int r = 0;

	if (!interactive)
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0)
		r = cmdline_add(line, CMDLINE_MAX, "MOTE_ROWS=%u MOTE_COLS=%u", w.ws_row, w.ws_col);
	if (r == 0 && term && term[0] != '\0' &&
	    strspn(term, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.+") ==
		    strlen(term))
		r = cmdline_add(line, CMDLINE_MAX, "TERM=%s", term);
	return r;
}

/* The words for our init. */
static int add_command(const struct run_options *o, char *line, bool interactive)
{
	int r = cmdline_add(line, CMDLINE_MAX, "8250.nr_uarts=2 MOTE_TTY=ttyS1");

	if (r == 0 && interactive)
		r = cmdline_add(line, CMDLINE_MAX, "MOTE_TTYMODE=cooked");
	if (r == 0)
		r = add_terminal(line, interactive);
	if (r == 0 && o->rootfs[0] != '\0')
		r = cmdline_add(line, CMDLINE_MAX, "MOTE_ROOT=/dev/vda MOTE_ROOTFLAGS=%s",
				o->rootfs_read_only ? "ro" : "rw");
	if (r == 0)
		r = cmdline_add_vector(line, CMDLINE_MAX, "MOTE_CMD", o->command);
	return r;
}

static int make_cmdline(const struct run_options *o, struct vm_config *c, bool interactive,
			struct err *e)
{
	char *line = c->cmdline;
	int r = cmdline_add(line, CMDLINE_MAX, "console=ttyS0 reboot=k panic=-1 quiet");

	if (r == 0 && o->rootfs[0] != '\0' && !o->command)
		r = cmdline_add(line, CMDLINE_MAX, "root=/dev/vda %s",
				o->rootfs_read_only ? "ro" : "rw");
	if (r == 0 && o->command)
		r = add_command(o, line, interactive);
	else if (r == 0 && !o->initrd && o->rootfs[0] == '\0')
		r = add_terminal(line, interactive); /* our init, with a shell on the console */
	if (r == 0 && o->append)
		r = cmdline_add(c->cmdline_tail, CMDLINE_MAX, "%s", o->append);
	if (r < 0)
		return err_set(e, r, "kernel command line: longer than %u bytes", CMDLINE_MAX - 1);
	return 0;
}

int run_config(const struct run_options *o, struct vm_config *c, struct err *e)
{
	bool terminal = isatty(STDIN_FILENO);
	bool usable = terminal && term_usable(STDIN_FILENO);
	bool interactive = usable && isatty(STDOUT_FILENO);
	int r;

	memset(c, 0, sizeof(*c));
	c->kernel_fd = c->initrd_fd = -1;
	c->nr_vcpus = (unsigned int)o->cpus;
	c->mem_mib = o->mem_mib;
	c->backing = o->backing;
	c->load = o->load;
	c->rng = o->entropy;
	c->com2 = o->command != NULL;
	c->console[0] = (struct console_config){
		.in_fd = o->command ? -1 : STDIN_FILENO,
		.out_fd = o->command ? STDERR_FILENO : STDOUT_FILENO,
	};
	c->console[1] = (struct console_config){
		.in_fd = STDIN_FILENO,
		.out_fd = STDOUT_FILENO,
		.wait_for_reader = true,
		.eof_as_break = !interactive,
		.paced = !interactive,
	};
	/* A job in the background leaves the terminal's keys to whoever is in front. */
	if (terminal && !usable)
		c->console[0].in_fd = c->console[1].in_fd = -1;
	r = make_cmdline(o, c, interactive, e);
	if (r == 0)
		r = open_kernel(o, c, e);
	if (r == 0)
		r = open_initrd(o, c, e);
	if (r == 0)
		r = open_disks(o, c, e);
	if (r == 0)
		r = open_net(o, c, e);
	/* The last, as it leaves a file behind. */
	if (r == 0)
		r = open_vsock(o, c, e);
	if (r < 0)
		vm_config_close(c);
	return r;
}
