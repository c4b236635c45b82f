# SPDX-License-Identifier: Apache-2.0
# mote-seccomp, which runs on the build machine, and the filters that it makes for the monitor. Included by
# the top Makefile.

HOSTCC ?= gcc
SECCOMP_KINDS := setup loop vcpu
SECCOMP_TOOL_SRCS := $(sort $(wildcard seccomp/*.c)) $(DEP_SRC)/cJSON.c

$(BUILD)/mote-seccomp: $(SECCOMP_TOOL_SRCS) $(wildcard seccomp/*.h) vmm/seccomp_file.h seccomp/seccomp.mk | $(DEP_SRC)/cJSON.h
	@mkdir -p $(@D)
	@echo "  HOSTCC  $@"
	$(Q)$(HOSTCC) -std=gnu11 -D_GNU_SOURCE= -O1 $(filter-out -Wframe-larger-than=%,$(WARN)) -I. -isystem $(DEP_SRC) \
		-Wno-conversion -o $@ $(SECCOMP_TOOL_SRCS) -lseccomp -lm

$(SECCOMP_HDR): $(wildcard seccomp/*.policy) $(BUILD)/mote-seccomp
	@mkdir -p $(@D)
	@echo "  SECCOMP $@"
	$(Q)$(BUILD)/mote-seccomp --header --output $@ $(SECCOMP_KINDS:%=seccomp/%.policy)

# System headers are in no .d file.
$(BUILD)/obj/vmm/seccomp.o $(foreach k,unit fuzz race tsan,$(BUILD)/tests/$(k)/vmm/seccomp.o): $(SECCOMP_HDR)

# ---- tests: a monitor that misbehaves, and what looks at one that does not ---------------------------

SECCOMP_TESTS := $(BUILD)/tests/seccomp

$(SECCOMP_TESTS)/standin $(SECCOMP_TESTS)/inject: $(SECCOMP_TESTS)/%: tests/seccomp/%.c vmm/seccomp_file.h seccomp/seccomp.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC_MUSL) -std=gnu11 -O1 $(filter-out -Wframe-larger-than=%,$(WARN)) -I. $(KERNEL_HEADERS) -static -o $@ $<

.PHONY: run-unit/check-policies
unit: run-unit/check-policies
run-unit/check-policies: $(BUILD)/mote-seccomp $(SECCOMP_TESTS)/standin
	@tests/run-one --results $(BUILD)/tests/results --tap --timeout 120 unit/check-policies -- \
		tests/seccomp/check-policies $(BUILD)

$(SECCOMP_TESTS)/used: tests/seccomp/used.c seccomp/policy.c seccomp/names.c $(wildcard seccomp/*.h) seccomp/seccomp.mk
	@mkdir -p $(@D)
	@echo "  HOSTCC  $@"
	$(Q)$(HOSTCC) -std=gnu11 -D_GNU_SOURCE= -O1 $(filter-out -Wframe-larger-than=%,$(WARN)) -I. -o $@ $(filter %.c,$^) -lseccomp

unit-tools: $(SECCOMP_TESTS)/standin $(SECCOMP_TESTS)/inject $(SECCOMP_TESTS)/used
