// SPDX-License-Identifier: Apache-2.0
/* Loop thread. */
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/log.h"
#include "vmm/term.h"

#define DEFAULT_MEM_MIB 128u

/* What a guest is told when the client does not say: the contract's words. */
#define DEFAULT_BOOT_ARGS                                                                  \
	"reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd " \
	"swiotlb=noforce"

void machine_init(struct machine *m, struct evloop *loop, const struct vm_fns *fns, void *ctx)
{
	m->loop = loop;
	m->fns = fns;
	m->ctx = ctx;
	m->serial_fd = -1;
	m->config.kernel_fd = m->config.initrd_fd = -1;
	m->config.nr_vcpus = 1;
	m->config.mem_mib = DEFAULT_MEM_MIB;
	m->settings.machine.vcpu_count = 1;
	m->settings.machine.mem_size_mib = DEFAULT_MEM_MIB;
}

static void replace_fd(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

void machine_release(struct machine *m)
{
	if (m->phase != MACHINE_NOT_STARTED) {
		machine_gather(m); /* for the last time: the devices are about to go */
		metrics_set_gather(NULL, NULL);
	}
	if (m->created)
		vm_release(&m->vm);
	m->created = false;
	vm_config_close(&m->config);
	replace_fd(&m->serial_fd, -1);
}

static int create(struct machine *m, struct err *e)
{
	int r;

	if (m->created)
		return 0;
	/* But for the devices, which prepare themselves: what is not used of their 1.6 MB is not
	 * touched, and costs no memory. */
	memset(&m->vm, 0, offsetof(struct vm, device));
	memset(&m->vm.nr_vcpus, 0, sizeof(m->vm) - offsetof(struct vm, nr_vcpus));
	r = vm_create(&m->vm, m->loop, m->fns, m->ctx, e);
	m->created = r == 0;
	return r;
}

void machine_create_ahead(struct machine *m)
{
	struct err e;

	if (create(m, &e) < 0)
		log_debug("%s", e.msg);
}

/* ---- configuration --------------------------------------------------------------------------- */

static int open_image(const char *what, const char *path, struct err *e)
{
	/* O_NONBLOCK: a FIFO by mistake must fail later, not wait here. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(e, -errno, "%s %.200s", what, path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, -EINVAL, "%s %.200s: not a regular file", what, path);
	}
	return fd;
}

/*
 * Splits the client's words where those for the guest's init begin: what the monitor adds has to
 * stand before them.
 */
static int split_args(const char *args, struct vm_config *c, struct err *e)
{
	const char *init = strncmp(args, "-- ", 3) == 0 ? args : strstr(args, " -- ");
	size_t len = init ? (size_t)(init - args) : strlen(args);

	if (cmdline_check(args) < 0)
		return err_set(e, -EINVAL, "boot_args: expected printable ASCII characters only");
	snprintf(c->cmdline, sizeof(c->cmdline), "%.*s", (int)len, args);
	snprintf(c->cmdline_tail, sizeof(c->cmdline_tail), "%s", init ? init + (*init == ' ') : "");
	return 0;
}

int machine_set_boot_source(struct machine *m, const struct boot_source_settings *s, struct err *e)
{
	struct vm_config *c = &m->config;
	int initrd = -1;
	int kernel;
	int r;

	if (s->kernel_image_path[0] == '\0')
		return err_set(e, -EINVAL, "kernel_image_path: empty, expected a file");
	kernel = open_image("kernel", s->kernel_image_path, e);
	if (kernel < 0)
		return kernel;
	if (s->initrd_path[0] != '\0') {
		initrd = open_image("initrd", s->initrd_path, e);
		if (initrd < 0) {
			close(kernel);
			return initrd;
		}
	}
	/* The words as they are: the device words are added at the start, when devices are known.
	 */
	r = cmdline_check(s->boot_args);
	if (r < 0) {
		err_set(e, r, "boot_args: expected printable ASCII characters only");
		close(kernel);
		replace_fd(&initrd, -1);
		return r;
	}
	replace_fd(&c->kernel_fd, kernel);
	replace_fd(&c->initrd_fd, initrd);
	snprintf(c->kernel_name, sizeof(c->kernel_name), "%.255s", s->kernel_image_path);
	snprintf(c->initrd_name, sizeof(c->initrd_name), "%.255s", s->initrd_path);
	m->settings.boot_source = *s;
	return 0;
}

int machine_set_config(struct machine *m, const struct machine_settings *s, struct err *e)
{
	static const enum mem_backing backing[] = {
		[HUGE_PAGES_NONE] =
			MEM_THP, /* as quick as transparent ones, where the host has them */
		[HUGE_PAGES_TRANSPARENT] = MEM_THP,
		[HUGE_PAGES_2M] = MEM_HUGETLB,
	};
	struct err why = { 0 };
	int r = memory_check(s->mem_size_mib, backing[s->huge_pages], &why);

	if (r < 0)
		return err_set(e, r, "mem_size_mib: %s", why.msg);
	if (m->config.has_balloon && m->settings.balloon.amount_mib > s->mem_size_mib)
		return err_set(e, -EINVAL,
			       "mem_size_mib: The memory size (MiB) is smaller than the previously "
			       "set balloon device target size: %llu, expected at least %u",
			       (unsigned long long)s->mem_size_mib, m->settings.balloon.amount_mib);
	if (s->cpu_template != CPU_TEMPLATE_NONE)
		log_warn("cpu_template: has no effect, the guest sees the host's processor");
	m->config.nr_vcpus = s->vcpu_count;
	m->config.smt = s->smt;
	m->config.mem_mib = s->mem_size_mib;
	m->config.backing = backing[s->huge_pages];
	m->settings.machine = *s;
	return 0;
}

int machine_set_serial(struct machine *m, const struct serial_settings *s, struct err *e)
{
	int fd = -1;

	if (s->serial_out_path[0] != '\0') {
		fd = open(s->serial_out_path,
			  O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND, 0600);
		if (fd < 0)
			return err_sys(e, -errno, "serial_out_path %.200s", s->serial_out_path);
	}
	replace_fd(&m->serial_fd, fd);
	m->serial_limit = (struct rate_bucket_config){
		.size = s->rate_limiter.size,
		.refill_ms = s->rate_limiter.refill_time,
		.burst = s->rate_limiter.one_time_burst,
	};
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* The kernel's command line: the client's words, and what the contract adds to them. */
static int make_cmdline(struct machine *m, struct err *e)
{
	const struct boot_source_settings *b = &m->settings.boot_source;
	const struct drive_settings *root = &m->settings.drives[0];
	struct vm_config *c = &m->config;
	int r = split_args(b->boot_args[0] != '\0' ? b->boot_args : DEFAULT_BOOT_ARGS, c, e);

	if (r < 0)
		return r;
	r = cmdline_add(c->cmdline, sizeof(c->cmdline), "pci=off");
	if (r == 0 && m->settings.nr_drives > 0 && root->is_root_device)
		r = cmdline_add(c->cmdline, sizeof(c->cmdline), "root=%s%s %s",
				root->partuuid[0] != '\0' ? "PARTUUID=" : "",
				root->partuuid[0] != '\0' ? root->partuuid : "/dev/vda",
				root->is_read_only ? "ro" : "rw");
	return r < 0 ? err_set(e, r, "boot_args: with what is added longer than %u bytes",
			       CMDLINE_MAX - 1)
		     : 0;
}

/* COM1: a file that was named, or our own standard input and output, as a terminal or not. */
static void make_console(struct machine *m)
{
	struct console_config *console = &m->config.console[0];

	*console = (struct console_config){
		.in_fd = -1,
		.out_fd = m->serial_fd,
		.limit = m->serial_limit,
	};
	if (m->serial_fd >= 0)
		return;
	console->out_fd = STDOUT_FILENO;
	/* A job in the background leaves the terminal's keys to whoever is in front. */
	if (!isatty(STDIN_FILENO) || (term_usable(STDIN_FILENO) && term_raw(STDIN_FILENO) == 0))
		console->in_fd = STDIN_FILENO;
}

/* A running drive may be given another file, of which only the way it is opened is known. */
static struct confine_files may_open(const struct machine *m)
{
	struct confine_files f = { .read = !m->closed && m->config.nr_drives > 0 };

	for (unsigned int i = 0; f.read && i < m->config.nr_drives; i++)
		f.write |= !m->config.drive[i].file.read_only;
	return f;
}

int machine_start(struct machine *m, struct err *e)
{
	int r;

	if (m->config.kernel_fd < 0)
		return err_set(e, -EINVAL, "boot-source: not given, expected a kernel to start");
	r = make_cmdline(m, e);
	if (r == 0)
		r = create(m, e);
	if (r < 0)
		return r;
	make_console(m);
	m->config.may_open = may_open(m);
	r = vm_build(&m->vm, &m->config, e);
	if (r == 0)
		r = vm_start(&m->vm, &m->config, e);
	if (r < 0) {
		term_restore();
		return r;
	}
	m->phase = MACHINE_RUNNING;
	vm_config_close(&m->config);
	machine_attach_metrics(m);
	return 0;
}

int machine_pause(struct machine *m, struct err *e)
{
	(void)e;
	if (m->phase == MACHINE_RUNNING)
		vm_pause(&m->vm);
	m->phase = MACHINE_PAUSED;
	return 0;
}

int machine_resume(struct machine *m, struct err *e)
{
	int r = 0;

	if (m->phase == MACHINE_PAUSED)
		r = vm_resume(&m->vm, e);
	if (r == 0)
		m->phase = MACHINE_RUNNING;
	return r;
}

int machine_ctrl_alt_del(struct machine *m, struct err *e)
{
	if (i8042_ctrl_alt_del(&m->vm.i8042) < 0)
		return err_set(e, -EBUSY, "SendCtrlAltDel: the guest does not read its keyboard");
	return 0;
}
