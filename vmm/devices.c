// SPDX-License-Identifier: Apache-2.0
/* Builder thread; the report_fns are called on vCPU threads. */
#include "vmm/devices.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/virtio_mmio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

/* ---- what the guest says about itself: vCPU threads ------------------------------------------ */

static void on_booted(void *ctx)
{
	struct vm *vm = ctx;
	struct timespec t;
	uint64_t none = 0;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (atomic_compare_exchange_strong(&vm->booted_ns, &none,
					   (uint64_t)t.tv_sec * 1000000000u +
						   (uint64_t)t.tv_nsec) &&
	    vm->fns->booted)
		vm->fns->booted(vm->ctx);
}

static void on_exit_status(void *ctx, uint8_t status)
{
	struct vm *vm = ctx;

	atomic_store(&vm->exit_status, status);
}

static void on_ready(void *ctx)
{
	struct vm *vm = ctx;

	if (vm->nr_ports == 2)
		serial_rx_open(&vm->serial[1]);
}

static void on_taken(void *ctx, uint32_t bytes)
{
	struct vm *vm = ctx;

	if (vm->nr_ports == 2)
		serial_rx_taken(&vm->serial[1], bytes);
}

static void on_power_off(void *ctx)
{
	vm_set_end(ctx, VM_POWER_OFF);
}

static void on_reset(void *ctx)
{
	vm_set_end(ctx, VM_RESET);
}

static const struct report_fns report_fns = {
	.booted = on_booted,
	.exit_status = on_exit_status,
	.ready = on_ready,
	.taken = on_taken,
	.power_off = on_power_off,
	.reset = on_reset,
};

static void pulse(void *ctx, uint32_t gsi)
{
	const struct vm *vm = ctx;

	kvm_pulse(&vm->kvm, gsi);
}

/* ---- platform devices ------------------------------------------------------------------------ */

static int add_serial(struct vm *vm, const struct vm_config *c, unsigned int i, struct err *e)
{
	static const struct {
		uint16_t port;
		uint32_t gsi;
	} com[] = { { COM1_PORT, COM1_GSI }, { COM2_PORT, COM2_GSI } };
	const struct irq_line irq = { pulse, vm, com[i].gsi };
	int r = console_init(&vm->console[i], vm->loop, &c->console[i], e);

	if (r < 0)
		return r;
	serial_init(&vm->serial[i], &irq, vm->console[i].wake_fd);
	/* A command's input must not meet a terminal that still echoes and edits. */
	if (i == 1)
		serial_rx_hold(&vm->serial[i], c->console[i].paced);
	vm->nr_ports = i + 1;
	r = console_attach(&vm->console[i], &vm->serial[i], e);
	if (r < 0)
		return r;
	return bus_add(&vm->pio, com[i].port, SERIAL_PORTS, &serial_bus_ops, &vm->serial[i]);
}

static int add_i8042(struct vm *vm)
{
	const struct irq_line irq = { pulse, vm, I8042_GSI };

	i8042_init(&vm->i8042, &irq, on_reset, vm);
	vm->has_i8042 = true;
	return bus_add(&vm->pio, I8042_PORT, I8042_PORTS, &i8042_bus_ops, &vm->i8042);
}

int devices_add_platform(struct vm *vm, const struct vm_config *c, struct err *e)
{
	int r = add_serial(vm, c, 0, e);

	if (r == 0 && c->com2)
		r = add_serial(vm, c, 1, e);
	if (r == 0)
		r = add_i8042(vm);
	if (r < 0)
		return r;
	vm->platform.com2 = c->com2;
	vm->report = (struct report){ .fns = &report_fns, .ctx = vm };
	r = bus_add(&vm->mmio, REPORT_GPA, REPORT_LEN, &report_bus_ops, &vm->report);
	if (r == 0)
		r = bus_add(&vm->pio, ACPI_SLEEP_CTL_PORT,
			    ACPI_RESET_PORT - ACPI_SLEEP_CTL_PORT + 1, &report_acpi_ops,
			    &vm->report);
	return r < 0 ? err_sys(e, r, "platform devices") : 0;
}

/* ---- virtio devices -------------------------------------------------------------------------- */

/* KVM's memory slots for the register windows; those before are RAM. */
#define SLOT_FIRST 32u

/* What the windows need, once: made with the first device. */
static int make_windows(struct vm *vm, struct err *e)
{
	void *pages = mmap(NULL, (size_t)PLATFORM_MAX_VIRTIO * VIRTIO_MMIO_LEN,
			   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return err_sys(e, -errno, "virtio devices: memory for registers");
	vm->acked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->acked_fd < 0) {
		munmap(pages, (size_t)PLATFORM_MAX_VIRTIO * VIRTIO_MMIO_LEN);
		return err_sys(e, -errno, "eventfd");
	}
	vm->register_pages = pages;
	return 0;
}

static void release_windows(struct vm *vm)
{
	if (!vm->register_pages)
		return;
	munmap(vm->register_pages, (size_t)PLATFORM_MAX_VIRTIO * VIRTIO_MMIO_LEN);
	close(vm->acked_fd);
	vm->register_pages = NULL;
}

/*
 * An interrupt has the driver read InterruptStatus and write what it read to InterruptACK. The read
 * is served by a page that the guest sees; the write goes to an eventfd that nobody waits for, when
 * it says "used buffers" and nothing else. So neither comes to us. (The bit stays set: at any
 * interrupt the driver looks at its queues, which is all that it says.)
 */
static int show_window(const struct vm *vm, const struct vmmio *t, uint32_t i, uint64_t gpa,
		       struct err *e)
{
	int r = kvm_set_memslot(&vm->kvm, SLOT_FIRST + i, gpa, t->host.page, VIRTIO_MMIO_LEN,
				KVM_MEM_READONLY, e);

	if (r < 0)
		return r;
	return kvm_ioeventfd(&vm->kvm, vm->acked_fd, gpa + VIRTIO_MMIO_INTERRUPT_ACK,
			     VIRTIO_MMIO_INT_VRING, e);
}

/* Binds the doorbell of each queue: the guest's write wakes the loop without leaving the kernel. */
static int bind_doorbells(const struct vm *vm, const struct vmmio *t, uint64_t gpa, struct err *e)
{
	for (unsigned int q = 0; q < t->dev->ops->nr_queues; q++) {
		int r = kvm_ioeventfd(&vm->kvm, t->kick[q].fd, gpa + VIRTIO_MMIO_QUEUE_NOTIFY, q,
				      e);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Puts a prepared device into the machine: transport, window, interrupt. From here on the
 * transport releases it; when this fails before, the device is released here.
 */
static int plug(struct vm *vm, struct vm_device *slot, struct virtio_dev *d, struct err *e)
{
	unsigned int i = vm->nr_devices;
	struct platform_virtio at = {
		.gpa = VIRTIO_MMIO_GPA + (uint64_t)i * VIRTIO_MMIO_LEN,
		.len = VIRTIO_MMIO_LEN,
		.gsi = GSI_VIRTIO_FIRST + i,
	};
	struct vmmio_host host = {
		.mem = &vm->memory.gmem,
		.loop = vm->loop,
		.page = (uint8_t *)vm->register_pages + (size_t)i * VIRTIO_MMIO_LEN,
		.interrupt = pulse,
		.ctx = vm,
		.line = at.gsi,
	};
	int r = vmmio_init(&slot->transport, d, &host);

	if (r < 0) {
		err_sys(e, r, "%s device", d->ops->name);
		if (d->ops->release)
			d->ops->release(d);
		return err_sys(e, r, "%s device", d->ops->name);
	}
	vm->platform.virtio[i] = at;
	vm->platform.nr_virtio = vm->nr_devices = i + 1;
	r = bus_add(&vm->mmio, at.gpa, at.len, &vmmio_bus_ops, &slot->transport);
	if (r < 0)
		return err_sys(e, r, "%s device", d->ops->name);
	r = show_window(vm, &slot->transport, i, at.gpa, e);
	return r < 0 ? r : bind_doorbells(vm, &slot->transport, at.gpa, e);
}

/* Limits what virtio_drain serves; a limit that is none costs nothing. */
static int limit(struct virtio_dev *d, const struct rate_config *c, struct err *e)
{
	int r = rate_limit_set(&d->limit, &c->bandwidth, &c->ops);

	return r < 0 ? err_sys(e, r, "%s: rate limiter", d->ops->name) : 0;
}

static int add_drive(struct vm *vm, const struct drive_config *c, struct err *e)
{
	struct vm_device *slot = &vm->device[vm->nr_devices];
	struct blk_file file;
	int r = blk_file_dup(&file, &c->file);

	if (r < 0)
		return err_sys(e, r, "drive");
	blk_init(&slot->blk, &file, c->flush);
	if (c->async) {
		r = blk_make_async(&slot->blk, vm->loop, e);
		if (r < 0) {
			blk_file_close(&file);
			return r;
		}
	}
	r = plug(vm, slot, &slot->blk.dev, e);
	return r < 0 ? r : limit(&slot->blk.dev, &c->limit, e);
}

static int add_net(struct vm *vm, const struct net_config *c, struct err *e)
{
	struct vm_device *slot = &vm->device[vm->nr_devices];
	struct net_config own = *c;
	int r = net_backend_dup(&own.backend, &c->backend);

	if (r == 0)
		r = net_init(&slot->net, vm->loop, &own);
	if (r < 0)
		return err_sys(e, r, "net device");
	return plug(vm, slot, &slot->net.dev, e);
}

static int add_rng(struct vm *vm, const struct rate_config *c, struct err *e)
{
	struct vm_device *slot = &vm->device[vm->nr_devices];
	int r;

	rng_init(&slot->rng);
	r = plug(vm, slot, &slot->rng.dev, e);
	return r < 0 ? r : limit(&slot->rng.dev, c, e);
}

static int add_balloon(struct vm *vm, const struct balloon_config *c, struct err *e)
{
	struct vm_device *slot = &vm->device[vm->nr_devices];
	int r = balloon_init(&slot->balloon, vm->loop, &vm->memory.gmem, c);

	if (r < 0)
		return err_sys(e, r, "balloon");
	return plug(vm, slot, &slot->balloon.dev, e);
}

static int add_vsock(struct vm *vm, const struct vm_config *c, struct err *e)
{
	struct vm_device *slot = &vm->device[vm->nr_devices];
	struct vsock_uds uds;
	int r = vsock_uds_dup(&uds, &c->vsock);

	if (r < 0)
		return err_sys(e, r, "vsock");
	r = vsock_init(&slot->vsock, &uds, c->vsock_cid, e);
	if (r < 0) {
		vsock_uds_close(&uds);
		return r;
	}
	return plug(vm, slot, &slot->vsock.dev, e);
}

int devices_add_virtio(struct vm *vm, const struct vm_config *c, struct err *e)
{
	unsigned int wanted = c->nr_drives + c->nr_nets + (c->rng ? 1 : 0) +
			      (c->has_balloon ? 1 : 0) + (c->has_vsock ? 1 : 0);
	int r = 0;

	if (wanted > PLATFORM_MAX_VIRTIO)
		return err_set(e, -EINVAL, "%u virtio devices, expected at most %u", wanted,
			       PLATFORM_MAX_VIRTIO);
	if (wanted != 0)
		r = make_windows(vm, e);
	for (unsigned int i = 0; r == 0 && i < c->nr_drives; i++)
		r = add_drive(vm, &c->drive[i], e);
	for (unsigned int i = 0; r == 0 && i < c->nr_nets; i++)
		r = add_net(vm, &c->net[i], e);
	if (r == 0 && c->rng)
		r = add_rng(vm, &c->rng_limit, e);
	if (r == 0 && c->has_balloon)
		r = add_balloon(vm, &c->balloon, e);
	if (r == 0 && c->has_vsock)
		r = add_vsock(vm, c, e);
	return r;
}

struct vm_device *devices_find(struct vm *vm, uint32_t id)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		if (vm->device[i].transport.dev->ops->id == id)
			return &vm->device[i];
	}
	return NULL;
}

void devices_release(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		vmmio_release(&vm->device[i].transport);
	vm->nr_devices = 0;
	release_windows(vm);
	for (unsigned int i = 0; i < vm->nr_ports; i++) {
		console_release(&vm->console[i]);
		serial_release(&vm->serial[i]);
	}
	vm->nr_ports = 0;
	if (vm->has_i8042)
		i8042_release(&vm->i8042);
	vm->has_i8042 = false;
}
