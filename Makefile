# SPDX-License-Identifier: Apache-2.0
# One makefile for everything; the folders add their rules as fragments. `make help` lists what there is.

BUILD ?= build
PREFIX ?= /usr/local
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
CC_MUSL ?= musl-gcc
STRIP ?= strip
OBJCOPY ?= objcopy

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

.PHONY: all help run check clean install uninstall deps compile guest
all: compile guest

include deps/deps.mk

# ---- the monitor --------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wwrite-strings -Wpointer-arith -Wcast-align -Wformat=2 -Wimplicit-fallthrough -Wconversion \
	-Wframe-larger-than=4096 -Wlogical-op -Wduplicated-cond \
	$(if $(filter 0,$(WERROR)),,-Werror)

# Hardening stands apart from warnings: these change what the program is.
HARDEN := -fstack-protector-strong -fcf-protection=full -ftrivial-auto-var-init=zero -fPIE

# The kernel's own headers (linux/, asm/) come after musl's.
KERNEL_HEADERS := -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu

# -flto: the guest memory accessors are functions of their own and should cost nothing.
CFLAGS_MOTE := -std=gnu11 -O2 -g -flto=auto -flto-partition=one -fno-strict-aliasing -ffunction-sections \
	-fsanitize-undefined-trap-on-error $(WARN) $(HARDEN) \
	-I. $(DEP_FLAGS) $(KERNEL_HEADERS) $(CFLAGS)
# musl-gcc does not know -static-pie, and silently links a program that needs musl's loader. What the
# option stands for is said to the linker, with the start file that relocates the program itself.
MUSL_LIB := $(patsubst %/crti.o,%,$(filter %/crti.o,$(shell $(CC_MUSL) -\#\#\# -x c /dev/null 2>&1)))
LDFLAGS_MOTE := -static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text \
	-Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--gc-sections \
	-Wl,--build-id=sha1 $(LDFLAGS)

# Input that a guest controls is handled here: out-of-range indices and overflows trap at once.
TRAP := -fsanitize=bounds,signed-integer-overflow,shift

MOTE_SRCS := $(sort $(wildcard vmm/*.c vmm/x86/*.c virtio/*.c api/*.c))
DEP_OBJS := $(DEP_C:$(DEP_SRC)/%.c=$(BUILD)/obj/deps/%.o)
MOTE_OBJS := $(MOTE_SRCS:%.c=$(BUILD)/obj/%.o) $(DEP_OBJS)
JAILER_SRCS := $(sort $(wildcard jailer/*.c)) vmm/err.c vmm/options.c
JAILER_OBJS := $(JAILER_SRCS:%.c=$(BUILD)/obj/%.o)

$(BUILD)/obj/virtio/%.o: CFLAGS_TRAP := $(TRAP)
$(BUILD)/obj/api/%.o: CFLAGS_TRAP := $(TRAP)
# Namespaces are no part of what musl shows by default.
$(BUILD)/obj/jailer/%.o: CFLAGS_TRAP := $(TRAP) -D_GNU_SOURCE=

# Rewritten only when its contents change, so that new flags rebuild and nothing else does.
FLAGS_NOW := $(CC_MUSL) $(CFLAGS_MOTE) $(TRAP) $(LDFLAGS_MOTE) $(MOTE_SRCS) $(JAILER_SRCS)
$(BUILD)/obj/flags: force
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' >$@
.PHONY: force
force:

$(DEP_OBJS): $(BUILD)/obj/deps/%.o: $(DEP_SRC)/%.c $(BUILD)/obj/flags
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC_MUSL) $(CFLAGS_MOTE) $(DEP_QUIET) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/obj/flags | $(DEP_HDRS)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC_MUSL) $(CFLAGS_MOTE) $(CFLAGS_TRAP) -MMD -MP -c -o $@ $<

# Frames grow where the linker inlines start-up code into main, whose stack is large; every function
# by itself was held to 4096 bytes. The symbols stay beside the program, where gdb finds them.
$(BUILD)/mote: $(MOTE_OBJS)
$(BUILD)/mote-jailer: $(JAILER_OBJS)
$(BUILD)/mote $(BUILD)/mote-jailer:
	@echo "  LINK    $@"
	$(Q)$(CC_MUSL) $(CFLAGS_MOTE) -Wframe-larger-than=16384 $(LDFLAGS_MOTE) -o $@.unstripped \
		$(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o $^ $(MUSL_LIB)/crtn.o
	$(Q)if readelf -lW $@.unstripped | grep -q INTERP; then \
		echo "$@: asks for a loader, expected a static-pie program" >&2; exit 1; fi
	$(Q)$(OBJCOPY) --only-keep-debug $@.unstripped $@.debug
	$(Q)$(STRIP) -o $@.tmp $@.unstripped
	$(Q)$(OBJCOPY) --add-gnu-debuglink=$@.debug $@.tmp
	$(Q)mv $@.tmp $@ && rm $@.unstripped

-include $(MOTE_OBJS:.o=.d) $(JAILER_OBJS:.o=.d)

compile: $(BUILD)/mote $(BUILD)/mote-jailer $(BUILD)/mote-seccomp

# ---- the folders' own rules ---------------------------------------------------------------------

include $(wildcard seccomp/seccomp.mk kernel-config/kernel.mk kernel-config/images.mk tests/testbed/testbed.mk \
	tests/tests.mk tests/integration.mk benchmarks/bench.mk)

guest: $(BUILD)/guest/vmlinux $(BUILD)/guest/initrd.cpio $(BUILD)/guest/initrd-min.cpio \
	$(BUILD)/guest/rootfs.ext4

clean:
	rm -rf $(BUILD)

# ---- what people ask for ------------------------------------------------------------------------

help:
	@echo "make              build/mote, build/mote-jailer, the guest kernel and its images"
	@echo "make run          all of that from nothing, then boot it and show where the time went"
	@echo "make check        every test there is, from nothing; ends with a count"
	@echo "make lint unit fuzz race mutants integration   one kind of test"
	@echo "make bench        all benchmarks, with plots; benchmarks/report compares two results"
	@echo "make bench-boot   boot time and footprint, beside the peers that are installed"
	@echo "make bench-phases where a boot goes, phase by phase, and what the monitor asks of the kernel"
	@echo "make bench-size   programs, images and lines of code"
	@echo "make bench-api    what a client of the API waits for"
	@echo "make bench-jail   what the jailer adds to a start"
	@echo "make bench-many   1 and 10 microVMs at once: time, memory, CPU when idle"
	@echo "make bench-devices  what the devices do, beside the peers that are installed"
	@echo "make kernel-cost  what each group of kernel options costs: builds twenty kernels"
	@echo "make install      to PREFIX (default /usr/local), below DESTDIR; also uninstall"
	@echo "make compile      the monitor alone;  make guest: kernel and images alone"
	@echo "make testbed      the emulated machine for tests without usable KVM"
	@echo "make deps         install the Debian packages that all this needs"
	@echo "make clean        remove build/; what was fetched or built for the guest stays in"
	@echo "                  the cache, $${XDG_CACHE_HOME:-~/.cache}/mote"
	@echo "Variables: V=1 shows commands, WERROR=0 keeps warnings warnings, BUILD=DIR builds elsewhere."

deps:
	deps/setup

run:
	@tests/demo $(BUILD)

check:
	@tests/check $(BUILD)

# The tools that the tests stand on are tested too.
.PHONY: selftests
selftests: testbed
	@tests/run-one --results $(RESULTS) --timeout 120 selftest/deps -- deps/selftest
	@tests/run-one --results $(RESULTS) --tap --timeout 900 selftest/testbed -- tests/testbed/selftest
	@tests/run-one --results $(RESULTS) --timeout 120 selftest/install -- tests/install-test $(BUILD)

INSTALLED := bin/mote bin/mote-seccomp share/mote/vmlinux share/mote/initrd.cpio share/man/man1/mote.1 \
	share/bash-completion/completions/mote bin/mote-jailer bin/jailer share/man/man1/mote-jailer.1 \
	share/bash-completion/completions/mote-jailer

install: all
	install -D -m 755 $(BUILD)/mote $(DESTDIR)$(PREFIX)/bin/mote
	install -D -m 755 $(BUILD)/mote-seccomp $(DESTDIR)$(PREFIX)/bin/mote-seccomp
	install -D -m 644 $(BUILD)/guest/vmlinux $(DESTDIR)$(PREFIX)/share/mote/vmlinux
	install -D -m 644 $(BUILD)/guest/initrd.cpio $(DESTDIR)$(PREFIX)/share/mote/initrd.cpio
	install -D -m 644 docs/mote.1 $(DESTDIR)$(PREFIX)/share/man/man1/mote.1
	install -D -m 644 docs/mote.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mote
	install -D -m 755 $(BUILD)/mote-jailer $(DESTDIR)$(PREFIX)/bin/mote-jailer
	ln -sfn mote-jailer $(DESTDIR)$(PREFIX)/bin/jailer
	install -D -m 644 docs/mote-jailer.1 $(DESTDIR)$(PREFIX)/share/man/man1/mote-jailer.1
	install -D -m 644 docs/mote-jailer.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mote-jailer

uninstall:
	rm -f $(INSTALLED:%=$(DESTDIR)$(PREFIX)/%)
