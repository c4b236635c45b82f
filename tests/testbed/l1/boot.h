/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTBED_L1_BOOT_H
#define TESTBED_L1_BOOT_H

struct request;

/** boot_early() - mount /dev, /proc and /sys and load the modules that /modules/order names. */
void boot_early(void);

/**
 * boot_open_port() - open a virtio-serial port by its name
 * @name: the name that QEMU gave it
 * @flags: open(2) flags
 *
 * Return: the descriptor (close-on-exec), owned by the caller. A missing port ends in l1_fail().
 */
int boot_open_port(const char *name, int flags);

/**
 * boot_root() - make the outer machine's file system, with a throw-away overlay, the root
 * @req: names the writable shares to mount in it and the switches to set
 */
void boot_root(const struct request *req);

/** boot_unmount_shares() - write the writable shares back and unmount what is not busy. */
void boot_unmount_shares(const struct request *req);

#endif
