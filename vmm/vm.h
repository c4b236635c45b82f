/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A microVM: owns everything that it is made of, and its life from the first ioctl to the last.
 *
 *   vm_create   what needs no configuration: the KVM VM and its interrupt controllers
 *   vm_build    memory, kernel, devices, vCPUs, tables; undoes itself when it fails
 *   vm_start    vCPU threads run
 *   vm_pause, vm_resume   vCPUs and devices stand still, and go on
 *   (the event loop runs; fns->ended is called there once the guest has ended)
 *   vm_stop     no vCPU runs any more
 *   vm_release  nothing is left
 *
 * One thread calls these: the event loop's.
 */
#ifndef MOTE_VMM_VM_H
#define MOTE_VMM_VM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/net.h"
#include "virtio/rng.h"
#include "virtio/virtio_mmio.h"
#include "virtio/vsock.h"
#include "vmm/bus.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/evloop.h"
#include "vmm/i8042.h"
#include "vmm/kvm.h"
#include "vmm/memory.h"
#include "vmm/report.h"
#include "vmm/serial.h"
#include "vmm/vcpu.h"
#include "vmm/x86/cpuid.h"
#include "vmm/x86/platform.h"

/* How a microVM came to its end; the first reason counts. */
enum vm_end {
	VM_RUNNING,
	VM_POWER_OFF,	 /* ACPI S5 */
	VM_RESET,	 /* keyboard controller or ACPI reset register: the guest rebooted */
	VM_TRIPLE_FAULT, /* the guest crashed beyond its own help */
	VM_FAILED,	 /* KVM could not go on */
	VM_LEFT,	 /* whoever runs the monitor asked for it */
};

/* One virtio device with its transport. */
struct vm_device {
	struct vmmio transport;
	union {
		struct balloon balloon;
		struct blk blk;
		struct net net;
		struct rng rng;
		struct vsock vsock;
	};
};

struct vm_fns {
	/* The guest has ended by itself, or vm_set_end was called. Loop thread. */
	void (*ended)(void *ctx);
	/* The guest touched the boot timer, for the first time. vCPU thread. NULL = nobody asks. */
	void (*booted)(void *ctx);
};

struct vm {
	struct evloop *loop;
	struct kvm kvm;
	struct memory memory;
	struct bus mmio;
	struct bus pio;
	struct platform platform;
	struct cpuid_table cpuid;

	unsigned int nr_ports; /* serial ports in use: 1 or 2 */
	struct serial serial[2];
	struct console console[2];
	bool has_i8042;
	struct i8042 i8042;
	struct report report;
	void *register_pages; /* one for each virtio device; NULL = not mapped */
	int acked_fd; /* eventfd that takes the drivers' acknowledgements; nobody reads it */
	unsigned int nr_devices;
	struct vm_device device[PLATFORM_MAX_VIRTIO];
	unsigned int nr_vcpus;
	struct vcpu vcpu[MAX_VCPUS];

	int end_fd; /* eventfd: `end` has been set */
	struct ev_source end_source;
	_Atomic int end;	 /* enum vm_end */
	_Atomic int exit_status; /* what the guest's command returned; -1 = not reported */
	const struct vm_fns *fns;
	void *ctx;
	const struct confine *confine; /* for the vCPUs' threads */

	/* CLOCK_MONOTONIC, nanoseconds; 0 = has not happened. */
	_Atomic uint64_t first_entry_ns; /* vCPU 0 is about to enter the guest */
	_Atomic uint64_t booted_ns;	 /* the guest touched the boot timer */
};

/*
 * Prepares *vm (zeroed storage) on `loop`, which outlives it. `fns` are called with
 * `ctx`. On failure nothing is held.
 */
int vm_create(struct vm *vm, struct evloop *loop, const struct vm_fns *fns, void *ctx,
	      struct err *e) MUST_CHECK;

/*
 * Files of `c` stay its owner's. When this or vm_start fails, everything is undone, and vm_build
 * may be called again.
 */
int vm_build(struct vm *vm, const struct vm_config *c, struct err *e) MUST_CHECK;

/* Puts each thread behind its walls, and lets the guest run. */
int vm_start(struct vm *vm, const struct vm_config *c, struct err *e) MUST_CHECK;

/*
 * Gets all vCPUs out of the guest and freezes the devices; what the guest asked for before is done
 * or waits. A VM that has ended can be paused too. Loop thread, both.
 */
void vm_pause(struct vm *vm);
int vm_resume(struct vm *vm, struct err *e) MUST_CHECK;

/* Notes that the VM ends and why; the first reason counts. Any thread. */
void vm_set_end(struct vm *vm, enum vm_end why);

/* Ends all vCPUs, then has the devices do what the guest asked for before. Loop thread. */
void vm_stop(struct vm *vm);
void vm_release(struct vm *vm);

#endif
