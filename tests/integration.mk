# SPDX-License-Identifier: Apache-2.0
# Whole-system tests: pytest starts build/mote on real guests. Included by the top Makefile, which
# sets BUILD and Q. Directly where KVM is usable, in the testbed where not: tests/integration/run.

INTEGRATION := $(BUILD)/tests/integration

.PHONY: integration integration-files
integration: compile guest testbed integration-files unit-tools
	@tests/integration/run --build $(BUILD) --results $(BUILD)/tests/results

integration-files: $(INTEGRATION)/debian/vmlinuz

# A kernel that others built, of the testbed's pinned package: a bzImage, without
# CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES, and with its drivers as modules.
$(INTEGRATION)/debian/vmlinuz: deps/pins tests/integration/unpack-debian
	@echo "  UNPACK  $@"
	$(Q)deb=$$(deps/fetch l1-kernel) && tests/integration/unpack-debian "$$deb" $(@D)

# A guest without an operating system, for what no driver would do. It runs on nothing, so nothing
# may be assumed of libc, stacks or vector registers.
TINY_SRCS := $(sort $(wildcard tests/guest/*.c)) tests/guest/start.S
TINY_FLAGS := -std=gnu11 -O2 -I. -m64 -ffreestanding -nostdlib -static -fno-pic -fno-pie -no-pie \
	-mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -Wall -Wextra -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wwrite-strings -Wformat=2 \
	$(if $(filter 0,$(WERROR)),,-Werror)

integration-files: $(INTEGRATION)/tiny.elf
$(INTEGRATION)/tiny.elf: $(TINY_SRCS) $(wildcard tests/guest/*.h) tests/integration.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(TEST_CC) $(TINY_FLAGS) -Wl,--build-id=none,-Ttext-segment=0x200000,-z,noexecstack,-z,norelro \
		-o $@ $(TINY_SRCS)

# Tools as a person would have them in a guest: of Debian's packages, glibc and all.
integration-files: $(INTEGRATION)/tools.ext4
$(INTEGRATION)/tools.ext4: tests/integration/tools-image deps/packages | $(BUILD)/guest/busybox
	@mkdir -p $(@D)
	@echo "  IMAGE   $@"
	$(Q)tests/integration/tools-image $@ $(BUILD)/guest/busybox fio iperf3

# What the benchmarks start monitors with.
integration-files: $(BUILD)/bench/measure

# What stands in for the monitor in a jail; and a jailer that tests stop, or make fail, at each step.
integration-files: $(INTEGRATION)/probe $(INTEGRATION)/jailer-stops
$(INTEGRATION)/probe: tests/integration/probe.c tests/integration.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC_MUSL) -std=gnu11 -D_GNU_SOURCE= -O1 -static $(filter-out -Wframe-larger-than=%,$(WARN)) \
		$(KERNEL_HEADERS) -o $@ $<

$(INTEGRATION)/jailer-stops: $(JAILER_SRCS) $(wildcard jailer/*.h) tests/integration.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC_MUSL) -std=gnu11 -D_GNU_SOURCE= -DJAILER_STOPS -O1 -static $(WARN) -I. $(KERNEL_HEADERS) \
		-o $@ $(JAILER_SRCS)
