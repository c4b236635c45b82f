/* SPDX-License-Identifier: Apache-2.0 */
/* One virtual CPU: its KVM descriptor, its thread, its loop over exits. */
#ifndef MOTE_VMM_VCPU_H
#define MOTE_VMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/bus.h"
#include "vmm/err.h"

struct vcpu;

/* Why a vCPU left for good. */
enum vcpu_end {
	VCPU_STOPPED,	   /* vcpu_stop asked for it */
	VCPU_TRIPLE_FAULT, /* KVM_EXIT_SHUTDOWN */
	VCPU_FAILED,	   /* KVM could not go on; the reason is logged */
};

struct vcpu_fns {
	/* First of all on its thread: the walls around it. False, logged, when they do not stand.
	 */
	bool (*confine)(void *ctx);
	/* Before the first entry of vCPU 0. vCPU thread. */
	void (*first_entry)(void *ctx);
	/* The vCPU ended by itself. vCPU thread, its last act but for `parked`. */
	void (*ended)(void *ctx, enum vcpu_end why);
	/* vcpu_parked has become true. vCPU thread. */
	void (*parked)(void *ctx);
};

/* Exits by kind; the vCPU's thread writes, anybody reads. */
struct vcpu_count {
	uint64_t io_in, io_out, mmio_read, mmio_write;
};

struct vcpu {
	unsigned int index;
	int fd;
	struct kvm_run *run; /* shared with KVM */
	size_t run_size;
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	_Atomic bool parked;
	pthread_mutex_t lock; /* guards pause */
	pthread_cond_t go_on;
	bool pause;
	const struct bus *mmio;
	const struct bus *pio;
	const struct vcpu_fns *fns;
	void *ctx;
	struct vcpu_count count;
};

/*
 * Creates vCPU `index` of the VM and maps its shared area of `run_size` bytes. The buses must
 * outlive it. *v is zeroed storage. Builder thread.
 */
int vcpu_init(struct vcpu *v, int vm_fd, unsigned int index, size_t run_size, struct err *e)
	MUST_CHECK;

/* Starts its thread, named "fc_vcpu <index>" (clients look for that name). It is paused:
 * vcpu_resume lets it enter the guest. */
int vcpu_start(struct vcpu *v, struct err *e) MUST_CHECK;

/* Makes it leave its loop at its next exit from the guest. Any thread; does not wait. */
void vcpu_ask_stop(struct vcpu *v);

/*
 * Pausing: vcpu_ask_pause gets it out of the guest; when vcpu_parked says so it has finished what
 * it was doing, and its registers are the guest's. It stays there until vcpu_resume. A vCPU that
 * ended by itself counts as parked. Not on a vCPU thread.
 */
void vcpu_ask_pause(struct vcpu *v);
bool vcpu_parked(const struct vcpu *v);
void vcpu_resume(struct vcpu *v);

/* Gets it out of the guest and waits for its thread to end. Not on a vCPU thread. */
void vcpu_stop(struct vcpu *v);

void vcpu_release(struct vcpu *v);

/* Installs the (empty) handler of the signal that kicks vCPUs out of the guest. Once, at start. */
void vcpu_setup_kick(void);

#endif
