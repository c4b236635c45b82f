/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's ioctls as functions. Linux Documentation/virt/kvm/api.rst governs. Builder thread, unless
 * a line says otherwise.
 */
#ifndef MOTE_VMM_KVM_H
#define MOTE_VMM_KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

#define KVM_DEVICE "/dev/kvm"

struct kvm {
	int fd;		 /* /dev/kvm */
	int vm_fd;	 /* -1 until kvm_create_vm */
	size_t run_size; /* bytes of a vCPU's shared page area */
	bool tsc_deadline;
};

/*
 * One ioctl on a KVM descriptor, repeated when a signal interrupts it. Returns what it returned, or
 * -errno. `arg` is a pointer or a number, as the request says. Any thread.
 */
int kvm_ioctl(int fd, unsigned long request, unsigned long arg);

/* Opens /dev/kvm and checks its API version and every capability that we rely on. */
int kvm_open(struct kvm *k, struct err *e) MUST_CHECK;

/* Makes the VM with in-kernel interrupt controllers (PIC, IOAPIC, LAPIC) and timer (PIT). */
int kvm_create_vm(struct kvm *k, struct err *e) MUST_CHECK;

/* Gives up the VM, and keeps the device: kvm_create_vm may follow. */
void kvm_close_vm(struct kvm *k);

void kvm_close(struct kvm *k);

/*
 * Backs guest-physical [gpa, gpa + len) with memory at `hva`. `flags`: 0, or KVM_MEM_READONLY; then
 * the guest's writes are exits.
 */
int kvm_set_memslot(const struct kvm *k, uint32_t slot, uint64_t gpa, void *hva, uint64_t len,
		    uint32_t flags, struct err *e) MUST_CHECK;

/*
 * Raises `gsi` (edge-triggered) before it returns. An irqfd only begins to: for lines of the IOAPIC
 * KVM hands each signal of it to a kernel thread. Any thread.
 */
void kvm_pulse(const struct kvm *k, uint32_t gsi);

/* A 32-bit guest write of `value` to `gpa` signals the eventfd `fd`, without leaving KVM. */
int kvm_ioeventfd(const struct kvm *k, int fd, uint64_t gpa, uint32_t value, struct err *e)
	MUST_CHECK;

#endif
