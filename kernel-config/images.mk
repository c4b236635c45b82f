# SPDX-License-Identifier: Apache-2.0
# The guest's user space: our init, the initrd archives, the root disk. Included by the top Makefile.

INIT_DIR := kernel-config/init
# Listed, not globbed: when a file goes, this file changes, and init is built again.
INIT_MODULES := args config main mounts parmrk pattern power relay report run text tty verbs \
	verbs_file verbs_vsock
INIT_SRCS := $(INIT_MODULES:%=$(INIT_DIR)/%.c)
INIT_HDRS := $(patsubst %,$(INIT_DIR)/%.h,$(filter-out main,$(INIT_MODULES)))

INIT_WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wwrite-strings -Wpointer-arith -Wcast-align -Wformat=2 -Wimplicit-fallthrough -Wconversion \
	-Wframe-larger-than=4096 -Wlogical-op -Wduplicated-cond $(if $(filter 0,$(WERROR)),,-Werror)
INIT_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Os -fno-pie -fno-strict-aliasing -ffunction-sections \
	-fdata-sections -fstack-protector-strong -fcf-protection=full -ftrivial-auto-var-init=zero \
	-fno-asynchronous-unwind-tables
# Every page that is touched costs a fault, on the path to the boot timer: few segments, and no
# position independence or RELRO, which a static musl program would get relocations but no
# protection from.
INIT_LDFLAGS := -static -no-pie -s -Wl,--gc-sections,--build-id=none,-z,noexecstack \
	-Wl,-z,noseparate-code,-z,norelro

$(BUILD)/guest/init: $(INIT_SRCS) $(INIT_HDRS) kernel-config/images.mk
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $@")
	$(Q)$(CC_MUSL) $(INIT_CFLAGS) $(INIT_WARN) -I. $(KERNEL_HEADERS) $(INIT_SRCS) $(INIT_LDFLAGS) -o $@.tmp
	@mv $@.tmp $@

$(BUILD)/guest/busybox: deps/pins deps/fetch kernel-config/images.mk
	@mkdir -p $(@D)
	$(if $(Q),@echo "  FETCH   $@")
	$(Q)deb=$$(deps/fetch busybox) && \
		dpkg-deb --fsys-tarfile "$$deb" | tar -xf - -O ./bin/busybox >$@.tmp
	@chmod 755 $@.tmp
	@test -s $@.tmp && mv $@.tmp $@

$(BUILD)/guest/initrd-min.cpio: $(BUILD)/guest/init kernel-config/images kernel-config/images.mk
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)kernel-config/images initrd-min $@ --init $<

$(BUILD)/guest/initrd.cpio: $(BUILD)/guest/init $(BUILD)/guest/busybox kernel-config/images \
		kernel-config/images.mk
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)kernel-config/images initrd $@ --init $< --busybox $(BUILD)/guest/busybox

$(BUILD)/guest/rootfs.ext4: $(BUILD)/guest/init $(BUILD)/guest/busybox kernel-config/images \
		kernel-config/images.mk
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)kernel-config/images rootfs $@ --init $< --busybox $(BUILD)/guest/busybox

IMAGES := $(BUILD)/guest/initrd-min.cpio $(BUILD)/guest/initrd.cpio $(BUILD)/guest/rootfs.ext4

.PHONY: images
images: $(IMAGES)
