// SPDX-License-Identifier: Apache-2.0
/* vcpu_main and what it calls: the vCPU's own thread. The rest: builder and loop thread. */
#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define STACK_BYTES 65536u

static void on_kick(int sig)
{
	(void)sig; /* its arrival is what matters: KVM_RUN returns with EINTR */
}

void vcpu_setup_kick(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGRTMIN, &sa, NULL);
}

int vcpu_init(struct vcpu *v, int vm_fd, unsigned int index, size_t run_size, struct err *e)
{
	v->index = index;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->go_on, NULL);
	v->fd = ioctl(vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (v->fd < 0)
		return err_sys(e, -errno, "KVM_CREATE_VCPU: vCPU %u", index);
	v->run_size = run_size;
	v->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		int r = err_sys(e, -errno, "vCPU %u: mapping its shared area", index);

		v->run = NULL;
		close(v->fd);
		v->fd = -1;
		return r;
	}
	return 0;
}

void vcpu_release(struct vcpu *v)
{
	if (!v->run)
		return;
	munmap(v->run, v->run_size);
	close(v->fd);
	v->run = NULL;
	pthread_cond_destroy(&v->go_on);
	pthread_mutex_destroy(&v->lock);
}

/*
 * Port I/O. String instructions come as `count` accesses to one port, with their data one after
 * the other.
 */
static void handle_io(struct vcpu *v)
{
	const struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)v->run + run->io.data_offset;
	uint16_t port = run->io.port;
	uint8_t size = run->io.size;

	if (run->io.direction == KVM_EXIT_IO_OUT)
		v->count.io_out++;
	else
		v->count.io_in++;
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(v->pio, port, data, size);
		else
			bus_read(v->pio, port, data, size);
	}
}

static void handle_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	if (run->mmio.is_write) {
		v->count.mmio_write++;
		bus_write(v->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	} else {
		v->count.mmio_read++;
		bus_read(v->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	}
}

static void log_failure(const struct vcpu *v)
{
	const struct kvm_run *run = v->run;

	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		log_error("vCPU %u: the processor refused to enter the guest: reason 0x%llx",
			  v->index,
			  (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		log_error("vCPU %u: KVM internal error, suberror %u (3: event delivery, 1: "
			  "emulation of an instruction)",
			  v->index, run->internal.suberror);
	else
		log_error("vCPU %u: unexpected exit reason %u from KVM", v->index,
			  run->exit_reason);
}

/* Until nobody wants it paused, or it is to end. */
static void stand_still(struct vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	while (v->pause && !atomic_load(&v->stop))
		pthread_cond_wait(&v->go_on, &v->lock);
	atomic_store(&v->parked, false);
	if (!atomic_load(&v->stop))
		v->run->immediate_exit = 0;
	pthread_mutex_unlock(&v->lock);
}

/*
 * Stands still while vcpu_ask_pause wants it. Called when KVM_RUN came back because of
 * immediate_exit: it has completed the instruction whose exit was handled last, so that the
 * registers are whole.
 */
static void park_while_asked(struct vcpu *v)
{
	bool park;

	pthread_mutex_lock(&v->lock);
	park = v->pause;
	atomic_store(&v->parked, park);
	pthread_mutex_unlock(&v->lock);
	if (park)
		v->fns->parked(v->ctx);
	stand_still(v);
}

/* Enters the guest until something ends this vCPU. */
static enum vcpu_end run_guest(struct vcpu *v)
{
	while (!atomic_load_explicit(&v->stop, memory_order_acquire)) {
		int r = ioctl(v->fd, KVM_RUN, 0);

		if (r < 0) {
			if (errno == EINTR || errno == EAGAIN) {
				if (v->run->immediate_exit)
					park_while_asked(v);
				continue;
			}
			log_error("vCPU %u: KVM_RUN: %s", v->index, strerror(errno));
			return VCPU_FAILED;
		}
		switch (v->run->exit_reason) {
		case KVM_EXIT_IO:
			handle_io(v);
			break;
		case KVM_EXIT_MMIO:
			handle_mmio(v);
			break;
		case KVM_EXIT_INTR:
		case KVM_EXIT_IRQ_WINDOW_OPEN:
			break;
		case KVM_EXIT_SHUTDOWN:
			return VCPU_TRIPLE_FAULT;
		default:
			log_failure(v);
			return VCPU_FAILED;
		}
	}
	return VCPU_STOPPED;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	enum vcpu_end why;
	char name[16];

	snprintf(name, sizeof(name), "fc_vcpu %u", v->index);
	prctl(PR_SET_NAME, name);
	log_name_thread(name);
	why = v->fns->confine(v->ctx) ? VCPU_STOPPED : VCPU_FAILED;
	if (why == VCPU_STOPPED) {
		stand_still(v);
		if (v->index == 0)
			v->fns->first_entry(v->ctx);
		why = run_guest(v);
	}
	if (why != VCPU_STOPPED)
		v->fns->ended(v->ctx, why);
	atomic_store(&v->parked, true);
	v->fns->parked(v->ctx);
	return NULL;
}

int vcpu_start(struct vcpu *v, struct err *e)
{
	static const int own[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	v->pause = true;
	atomic_store(&v->parked, true);
	/* Signals belong to the loop; a vCPU thread takes only the kick, and what it causes by
	 * itself: when that is held back, it kills without its handler. */
	sigfillset(&all);
	sigdelset(&all, SIGRTMIN);
	for (unsigned int i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&v->thread, &attr, vcpu_main, v);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		return err_sys(e, -r, "vCPU %u: cannot start its thread", v->index);
	v->started = true;
	return 0;
}

void vcpu_ask_stop(struct vcpu *v)
{
	atomic_store_explicit(&v->stop, true, memory_order_release);
}

/* A KVM_RUN that begins after immediate_exit was set returns at once; one that runs is kicked. */
static void leave_guest(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	pthread_kill(v->thread, SIGRTMIN);
}

void vcpu_ask_pause(struct vcpu *v)
{
	if (!v->started)
		return;
	pthread_mutex_lock(&v->lock);
	v->pause = true;
	leave_guest(v);
	pthread_mutex_unlock(&v->lock);
}

bool vcpu_parked(const struct vcpu *v)
{
	return !v->started || atomic_load(&v->parked);
}

void vcpu_resume(struct vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	v->pause = false;
	pthread_cond_signal(&v->go_on);
	pthread_mutex_unlock(&v->lock);
}

void vcpu_stop(struct vcpu *v)
{
	if (!v->started)
		return;
	pthread_mutex_lock(&v->lock);
	vcpu_ask_stop(v);
	leave_guest(v);
	pthread_cond_signal(&v->go_on);
	pthread_mutex_unlock(&v->lock);
	pthread_join(v->thread, NULL);
	v->started = false;
}
