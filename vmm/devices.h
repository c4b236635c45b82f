/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to running devices: the only place that knows every kind. Builder thread. */
#ifndef MOTE_VMM_DEVICES_H
#define MOTE_VMM_DEVICES_H

#include "vmm/vm.h"

/*
 * Makes the serial ports, the keyboard controller, the report page and the ACPI registers, and puts
 * them on the buses.
 */
int devices_add_platform(struct vm *vm, const struct vm_config *c, struct err *e) MUST_CHECK;

/*
 * Makes the virtio devices, in the order in which the guest numbers them (drives, networks,
 * entropy, balloon, vsock: drive N of `c` is vm->device[N], network N is vm->device[c->nr_drives +
 * N]), binds their doorbells and interrupts to KVM, and notes them in vm->platform.
 */
int devices_add_virtio(struct vm *vm, const struct vm_config *c, struct err *e) MUST_CHECK;

/* The first virtio device of that kind (virtio 1.2 §5); NULL: there is none. Loop thread. */
struct vm_device *devices_find(struct vm *vm, uint32_t id);

/* Undoes both, as far as they got. */
void devices_release(struct vm *vm);

#endif
