// SPDX-License-Identifier: Apache-2.0
/* Loop thread, but for vm_set_end and the vcpu_fns, which vCPU threads call. */
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/devices.h"
#include "vmm/log.h"
#include "vmm/util.h"
#include "vmm/x86/acpi.h"
#include "vmm/x86/boot.h"
#include "vmm/x86/mptable.h"
#include "vmm/x86/state.h"

void vm_set_end(struct vm *vm, enum vm_end why)
{
	uint64_t one = 1;
	int running = VM_RUNNING;

	if (!atomic_compare_exchange_strong(&vm->end, &running, (int)why))
		return;
	/* A guest that has ended itself does not go on while the loop wakes up. */
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_ask_stop(&vm->vcpu[i]);
	if (write(vm->end_fd, &one, sizeof(one)) < 0)
		return; /* an eventfd of our own that was never written before cannot be full */
}

static void on_end(void *ctx, uint32_t events)
{
	struct vm *vm = ctx;

	(void)events;
	ev_del(vm->loop, &vm->end_source);
	vm->fns->ended(vm->ctx);
}

int vm_create(struct vm *vm, struct evloop *loop, const struct vm_fns *fns, void *ctx,
	      struct err *e)
{
	int r;

	vm->loop = loop;
	vm->fns = fns;
	vm->ctx = ctx;
	vm->exit_status = -1;
	vcpu_setup_kick();
	vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->end_fd < 0)
		return err_sys(e, -errno, "eventfd");
	r = ev_add(loop, &vm->end_source, vm->end_fd, EPOLLIN | EV_ALWAYS, on_end, vm);
	if (r < 0) {
		close(vm->end_fd);
		return err_sys(e, r, "epoll");
	}
	r = kvm_open(&vm->kvm, e);
	if (r == 0)
		r = kvm_create_vm(&vm->kvm, e);
	if (r < 0)
		vm_release(vm);
	return r;
}

/* The kernel's command line: the owner's words, a word for each device, and the owner's last words.
 */
static int make_cmdline(const struct vm *vm, const struct vm_config *c, char *out, struct err *e)
{
	int r;

	out[0] = '\0';
	r = cmdline_add(out, CMDLINE_MAX, "%s", c->cmdline);
	for (unsigned int i = 0; r == 0 && i < vm->platform.nr_virtio; i++) {
		const struct platform_virtio *v = &vm->platform.virtio[i];

		r = cmdline_add(out, CMDLINE_MAX, "virtio_mmio.device=%uK@0x%llx:%u", v->len >> 10,
				(unsigned long long)v->gpa, v->gsi);
	}
	if (r == 0)
		r = cmdline_add(out, CMDLINE_MAX, "%s", c->cmdline_tail);
	if (r < 0)
		return err_set(e, r, "kernel command line: longer than %u bytes", CMDLINE_MAX - 1);
	return 0;
}

/* Kernel, initrd, command line and tables into guest memory. */
static int load(struct vm *vm, const struct vm_config *c, struct kernel_image *k, struct err *e)
{
	const struct gmem *m = &vm->memory.gmem;
	struct initrd_image initrd = { 0 };
	char cmdline[CMDLINE_MAX];
	int r;

	r = loader_kernel(m, c->kernel_fd, c->kernel_name, c->load, k, e);
	if (r == 0 && c->initrd_fd >= 0)
		r = loader_initrd(m, c->initrd_fd, c->initrd_name, k, &initrd, e);
	if (r == 0)
		r = make_cmdline(vm, c, cmdline, e);
	if (r == 0)
		r = boot_write(m, k, &initrd, cmdline, e);
	if (r == 0)
		r = mptable_write(m, &vm->platform, e);
	if (r == 0 && boot_has_acpi(cmdline))
		r = acpi_write(m, &vm->platform, e);
	return r;
}

static int prepare_cpuid(struct vm *vm, struct err *e)
{
	struct cpuid_vm facts = {
		.nr_vcpus = vm->platform.nr_vcpus,
		.smt = vm->platform.smt,
		.tsc_deadline = vm->kvm.tsc_deadline,
	};
	int khz;
	int r;

	vm->cpuid.nent = CPUID_MAX_ENTRIES;
	r = kvm_ioctl(vm->kvm.fd, KVM_GET_SUPPORTED_CPUID, (unsigned long)&vm->cpuid);
	if (r < 0)
		return err_sys(e, r, "KVM_GET_SUPPORTED_CPUID");
	khz = kvm_ioctl(vm->vcpu[0].fd, KVM_GET_TSC_KHZ, 0);
	if (khz > 0)
		facts.tsc_khz = (uint32_t)khz;
	cpuid_normalise(&vm->cpuid, &facts);
	return 0;
}

/* vCPU threads. */
static void on_first_entry(void *ctx)
{
	struct vm *vm = ctx;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	atomic_store(&vm->first_entry_ns, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
}

static bool on_vcpu_thread(void *ctx)
{
	struct err e;

	if (confine_vcpu(((const struct vm *)ctx)->confine, &e) == 0)
		return true;
	log_error("%s", e.msg);
	return false;
}

static void on_vcpu_ended(void *ctx, enum vcpu_end why)
{
	vm_set_end(ctx, why == VCPU_TRIPLE_FAULT ? VM_TRIPLE_FAULT : VM_FAILED);
}

static void on_vcpu_parked(void *ctx)
{
	evloop_poke(((struct vm *)ctx)->loop);
}

static const struct vcpu_fns vcpu_fns = {
	.confine = on_vcpu_thread,
	.first_entry = on_first_entry,
	.ended = on_vcpu_ended,
	.parked = on_vcpu_parked,
};

static int make_vcpu(struct vm *vm, unsigned int i, const struct kernel_image *k, struct err *e)
{
	struct vcpu *v = &vm->vcpu[i];
	int r = vcpu_init(v, vm->kvm.vm_fd, i, vm->kvm.run_size, e);

	if (r < 0)
		return r;
	vm->nr_vcpus = i + 1;
	v->mmio = &vm->mmio;
	v->pio = &vm->pio;
	v->fns = &vcpu_fns;
	v->ctx = vm;
	if (i == 0)
		r = prepare_cpuid(vm, e);
	if (r < 0)
		return r;
	cpuid_set_vcpu(&vm->cpuid, i);
	r = kvm_ioctl(v->fd, KVM_SET_CPUID2, (unsigned long)&vm->cpuid);
	if (r < 0)
		return err_sys(e, r, "vCPU %u: KVM_SET_CPUID2", i);
	return x86_vcpu_reset(v->fd, i, &vm->cpuid, k, e);
}

static void teardown(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_release(&vm->vcpu[i]);
	memset(vm->vcpu, 0, vm->nr_vcpus * sizeof(vm->vcpu[0]));
	vm->nr_vcpus = 0;
	devices_release(vm);
	memory_release(&vm->memory);
	/* A VM keeps its vCPU numbers, memory slots and doorbells for ever: the next try gets
	 * another. */
	kvm_close_vm(&vm->kvm);
	memset(&vm->mmio, 0, sizeof(vm->mmio));
	memset(&vm->pio, 0, sizeof(vm->pio));
	memset(&vm->platform, 0, sizeof(vm->platform));
}

int vm_build(struct vm *vm, const struct vm_config *c, struct err *e)
{
	struct kernel_image kernel;
	int r = vm->kvm.vm_fd < 0 ? kvm_create_vm(&vm->kvm, e) : 0;

	vm->platform.nr_vcpus = c->nr_vcpus;
	vm->platform.smt = c->smt;
	if (r == 0)
		r = memory_init(&vm->memory, c->mem_mib, c->backing, e);
	if (r == 0)
		r = memory_attach(&vm->memory, &vm->kvm, e);
	if (r == 0)
		r = devices_add_platform(vm, c, e);
	if (r == 0)
		r = devices_add_virtio(vm, c, e);
	if (r == 0)
		r = load(vm, c, &kernel, e);
	for (unsigned int i = 0; r == 0 && i < c->nr_vcpus; i++)
		r = make_vcpu(vm, i, &kernel, e);
	if (r < 0)
		teardown(vm);
	return r;
}

int vm_start(struct vm *vm, const struct vm_config *c, struct err *e)
{
	int r = confine_prepare(c->confine, c->may_open, e);

	vm->confine = c->confine;
	for (unsigned int i = 0; r == 0 && i < vm->nr_vcpus; i++)
		r = vcpu_start(&vm->vcpu[i], e);
	/* No thread can be started from here on, and no vCPU has entered the guest yet. */
	if (r == 0)
		r = confine_loop(c->confine, e);
	if (r < 0) {
		vm_stop(vm);
		teardown(vm);
		evloop_reopen(vm->loop);
		return r;
	}
	/* vCPU 0 last: when it runs, the others wait for it already. */
	for (unsigned int i = vm->nr_vcpus; i-- > 0;)
		vcpu_resume(&vm->vcpu[i]);
	return 0;
}

static bool all_parked(void *ctx)
{
	const struct vm *vm = ctx;

	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		if (!vcpu_parked(&vm->vcpu[i]))
			return false;
	}
	return true;
}

void vm_pause(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_ask_pause(&vm->vcpu[i]);
	evloop_wait(vm->loop, all_parked, vm);
	evloop_freeze(vm->loop);
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		vmmio_settle(&vm->device[i].transport);
	/* So that the guest's watchdogs do not take the pause for a hang. No kvmclock, no matter.
	 */
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		(void)kvm_ioctl(vm->vcpu[i].fd, KVM_KVMCLOCK_CTRL, 0);
}

int vm_resume(struct vm *vm, struct err *e)
{
	int r = evloop_thaw(vm->loop);

	if (r < 0)
		return err_sys(e, r, "epoll");
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_resume(&vm->vcpu[i]);
	return 0;
}

void vm_stop(struct vm *vm)
{
	/* A vCPU may be waiting for the loop, which will not come back to it. */
	evloop_close(vm->loop);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_stop(&vm->vcpu[i]);
	/* The last that a guest sends may still be in its queues when its power is off. */
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		vmmio_finish(&vm->device[i].transport);
}

void vm_release(struct vm *vm)
{
	vm_stop(vm);
	teardown(vm);
	kvm_close(&vm->kvm);
	ev_del(vm->loop, &vm->end_source);
	close(vm->end_fd);
}
