# SPDX-License-Identifier: Apache-2.0
# The testbed's outer machine L1: the kernel of a pinned Debian package, and an initramfs with its
# modules and our init. Included by the top Makefile, which sets BUILD, CC_MUSL and Q. run is told
# where they are, for builds elsewhere than in build/.

TESTBED := $(BUILD)/testbed
export MOTE_TESTBED_DIR := $(abspath $(TESTBED))
TESTBED_SRC := tests/testbed
TESTBED_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -static -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wundef -Wwrite-strings -Wformat=2 -Wconversion
TESTBED_INIT_SRCS := $(sort $(wildcard $(TESTBED_SRC)/l1/*.c))

.PHONY: testbed
testbed: $(TESTBED)/vmlinux $(TESTBED)/l1.cpio $(TESTBED)/qemu-system-x86_64 $(TESTBED)/tsc-khz

$(TESTBED)/tsc-khz: $(TESTBED_SRC)/tsc-khz.c $(TESTBED_SRC)/testbed.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC_MUSL) $(TESTBED_CFLAGS) -o $@ $<

$(TESTBED)/qemu-system-x86_64: deps/pins $(TESTBED_SRC)/build-qemu $(wildcard $(TESTBED_SRC)/patches/*.patch)
	@echo "  QEMU    $@"
	$(Q)$(TESTBED_SRC)/build-qemu $@

$(TESTBED)/vmlinux $(TESTBED)/modules.cpio &: deps/pins $(TESTBED_SRC)/unpack-kernel \
		$(TESTBED_SRC)/extract-vmlinux $(TESTBED_SRC)/modules
	@echo "  UNPACK  $(TESTBED)/vmlinux"
	$(Q)deb=$$(deps/fetch l1-kernel) && $(TESTBED_SRC)/unpack-kernel "$$deb" $(TESTBED)

$(TESTBED)/root/init: $(TESTBED_INIT_SRCS) $(wildcard $(TESTBED_SRC)/l1/*.h) \
		$(TESTBED_SRC)/testbed.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC_MUSL) $(TESTBED_CFLAGS) -o $@ $(TESTBED_INIT_SRCS)

# The kernel reads archives one after the other.
$(TESTBED)/l1.cpio: $(TESTBED)/modules.cpio $(TESTBED)/root/init
	@echo "  CPIO    $@"
	$(Q)(cat $(TESTBED)/modules.cpio && cd $(TESTBED)/root && echo init | \
		cpio --quiet --create --format=newc --reproducible --owner=0:0) >$@.tmp
	$(Q)mv $@.tmp $@
