// SPDX-License-Identifier: Apache-2.0
/* Builder thread. */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/util.h"
#include "vmm/x86/layout.h"

/* What we cannot do without, and the word for it in the message. */
static const struct {
	int cap;
	const char *name;
} required[] = {
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

/* The type of a request is libc's choice: int with musl, where half of KVM's are negative. */
#ifdef __GLIBC__
#define IOCTL_REQUEST(r) (r)
#else
#define IOCTL_REQUEST(r) ((int)(r))
#endif

int kvm_ioctl(int fd, unsigned long request, unsigned long arg)
{
	int r;

	do {
		r = ioctl(fd, IOCTL_REQUEST(request), arg);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static int check_capabilities(struct kvm *k, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		if (kvm_ioctl(k->fd, KVM_CHECK_EXTENSION, (unsigned long)required[i].cap) <= 0)
			return err_set(e, -EOPNOTSUPP, "%s: %s is missing", KVM_DEVICE,
				       required[i].name);
	}
	k->tsc_deadline = kvm_ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	return 0;
}

int kvm_open(struct kvm *k, struct err *e)
{
	int version;
	int size;
	int r;

	k->vm_fd = -1;
	k->fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (k->fd < 0)
		return err_sys(e, -errno, "%s: cannot open for reading and writing", KVM_DEVICE);
	version = kvm_ioctl(k->fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		r = err_set(e, -EOPNOTSUPP, "%s: API version %d, expected %d", KVM_DEVICE, version,
			    KVM_API_VERSION);
		goto fail;
	}
	r = check_capabilities(k, e);
	if (r < 0)
		goto fail;
	size = kvm_ioctl(k->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run)) {
		r = err_set(e, -EOPNOTSUPP, "%s: vCPU area of %d bytes, expected at least %zu",
			    KVM_DEVICE, size, sizeof(struct kvm_run));
		goto fail;
	}
	k->run_size = (size_t)size;
	return 0;
fail:
	kvm_close(k);
	return r;
}

int kvm_create_vm(struct kvm *k, struct err *e)
{
	/* No speaker: port 0x61 would only be one more thing for a guest to play with. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity = KVM_IDENTITY_GPA;

	const struct {
		unsigned long request;
		unsigned long arg;
		const char *name;
	} step[] = {
		{ KVM_SET_TSS_ADDR, (unsigned long)KVM_TSS_GPA, "KVM_SET_TSS_ADDR" },
		{ KVM_SET_IDENTITY_MAP_ADDR, (unsigned long)&identity,
		  "KVM_SET_IDENTITY_MAP_ADDR" },
		{ KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP" },
		{ KVM_CREATE_PIT2, (unsigned long)&pit, "KVM_CREATE_PIT2" },
	};
	int fd = kvm_ioctl(k->fd, KVM_CREATE_VM, 0);

	if (fd < 0)
		return err_sys(e, fd, "KVM_CREATE_VM");
	k->vm_fd = fd;
	for (size_t i = 0; i < ARRAY_SIZE(step); i++) {
		int r = kvm_ioctl(fd, step[i].request, step[i].arg);

		if (r < 0) {
			kvm_close_vm(k);
			return err_sys(e, r, "%s", step[i].name);
		}
	}
	return 0;
}

void kvm_close_vm(struct kvm *k)
{
	if (k->vm_fd >= 0)
		close(k->vm_fd);
	k->vm_fd = -1;
}

void kvm_close(struct kvm *k)
{
	kvm_close_vm(k);
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

int kvm_set_memslot(const struct kvm *k, uint32_t slot, uint64_t gpa, void *hva, uint64_t len,
		    uint32_t flags, struct err *e)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)hva,
	};

	int ret = kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, (unsigned long)&r);

	if (ret < 0)
		return err_sys(e, ret, "KVM_SET_USER_MEMORY_REGION: %llu bytes at 0x%llx",
			       (unsigned long long)len, (unsigned long long)gpa);
	return 0;
}

void kvm_pulse(const struct kvm *k, uint32_t gsi)
{
	struct kvm_irq_level line = { .irq = gsi, .level = 1 };

	/* With interrupt controllers in the kernel and a GSI of theirs, it does not fail. */
	kvm_ioctl(k->vm_fd, KVM_IRQ_LINE, (unsigned long)&line);
	line.level = 0;
	kvm_ioctl(k->vm_fd, KVM_IRQ_LINE, (unsigned long)&line);
}

int kvm_ioeventfd(const struct kvm *k, int fd, uint64_t gpa, uint32_t value, struct err *e)
{
	struct kvm_ioeventfd io = {
		.datamatch = value,
		.addr = gpa,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	int r = kvm_ioctl(k->vm_fd, KVM_IOEVENTFD, (unsigned long)&io);

	if (r < 0)
		return err_sys(e, r, "KVM_IOEVENTFD: 0x%llx", (unsigned long long)gpa);
	return 0;
}
