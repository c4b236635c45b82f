# SPDX-License-Identifier: Apache-2.0
# Unit, fuzz and race tests, planted bugs and lint. Included by the top Makefile,
# which sets BUILD, Q and WARN, and the target force.
#
# Our code is compiled once for each kind of test, with that kind's compiler and sanitizers, into
# $(TEST_OUT)/KIND/libmote.a; a test links its own object, tests/lib and what it needs of that archive.
# Each run leaves PASS, FAIL and SKIP lines in $(RESULTS); tests/tally sums them up.

TEST_OUT := $(BUILD)/tests
RESULTS := $(TEST_OUT)/results
TEST_CC ?= gcc
TEST_CLANG ?= clang
TEST_AR ?= gcc-ar
SAN ?= address,undefined
FUZZ_SECONDS ?= 10
RACE_SECONDS ?= 5

# The warnings of every build; clang does not know them all, and frames are as large as the sanitizers
# make them. glibc hides with gnu11 what musl shows, hence _GNU_SOURCE.
TEST_WARN_GCC := -std=gnu11 -D_GNU_SOURCE= $(filter-out -Wframe-larger-than=%,$(WARN))
TEST_WARN_CLANG := $(filter-out -Wlogical-op -Wduplicated-cond,$(TEST_WARN_GCC)) -Werror=noderef

# ThreadSanitizer cannot follow our fences; they order guest memory only, which is none of its business.
TEST_CC_unit := $(TEST_CC) $(TEST_WARN_GCC) -O1 -fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer $(if $(findstring thread,$(SAN)),-Wno-tsan)
TEST_CC_fuzz := $(TEST_CLANG) $(TEST_WARN_CLANG) -O1 -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
# As released: what the optimizer makes of our accesses to guest memory is what is tested.
TEST_CC_race := $(TEST_CC) $(TEST_WARN_GCC) -O2 -flto -fno-strict-aliasing
TEST_CC_tsan := $(TEST_CC) $(TEST_WARN_GCC) -O1 -fsanitize=thread -Wno-tsan

# System calls that tests/lib/fault.c can make fail.
FAULT_CALLS := eventfd epoll_create1 epoll_ctl preadv pwritev fdatasync fallocate syscall getrandom \
	socket bind listen accept4 timerfd_create timerfd_settime readv writev madvise
TEST_LINK_unit := $(FAULT_CALLS:%=-Wl,--wrap=%) -lcmocka
TEST_LINK_fuzz := -fsanitize=fuzzer
TEST_LINK_race :=
TEST_LINK_tsan :=

TEST_CODE := $(sort $(filter-out %/main.c,$(wildcard vmm/*.c vmm/x86/*.c virtio/*.c api/*.c jailer/*.c)))
# Of the guest's init what computes; the rest is system calls by musl's prototypes.
TEST_CODE_unit := $(TEST_CODE) $(wildcard $(addprefix kernel-config/init/,args.c config.c parmrk.c pattern.c text.c))
TEST_CODE_fuzz := $(TEST_CODE)
TEST_CODE_race := $(TEST_CODE)
TEST_CODE_tsan := $(TEST_CODE)

TEST_LIB := tests/lib/guest.c tests/lib/driver.c tests/lib/board.c tests/lib/toy.c tests/lib/disk.c tests/lib/chain.c \
	tests/lib/vguest.c tests/lib/nic.c
TEST_LIB_unit := $(TEST_LIB) tests/lib/walker.c tests/lib/fault.c tests/lib/line_buffer.c tests/lib/scratch.c
TEST_LIB_fuzz := $(TEST_LIB)
TEST_LIB_race := $(TEST_LIB)
TEST_LIB_tsan := $(TEST_LIB)

# Programs of each kind; of those in tests/unit, test_* are tests and the rest are tools for tests.
TEST_PROGS_unit := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/*.c)))
TEST_PROGS_fuzz := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TEST_PROGS_race := $(patsubst tests/race/%.c,%,$(sort $(wildcard tests/race/race_*.c)))
# These are races, in guest memory, by design.
TEST_PROGS_asan := race_devices race_virtq
TEST_PROGS_tsan := $(filter-out $(TEST_PROGS_asan),$(TEST_PROGS_race))
TEST_DIR_unit := tests/unit
TEST_DIR_fuzz := tests/fuzz
TEST_DIR_race := tests/race
TEST_DIR_tsan := tests/race

# $(1) is rewritten only when its contents, $(2), change: what depends on it follows the flags.
define test_stamp
$(1): force
	@mkdir -p $$(@D)
	@echo '$(2)' | cmp -s - $$@ || echo '$(2)' >$$@
endef

# $(1): kind
define test_kind
$(call test_stamp,$(TEST_OUT)/$(1)/flags,$(TEST_CC_$(1)))
$(call test_stamp,$(TEST_OUT)/$(1)/members,$(TEST_CODE_$(1)))

$(TEST_OUT)/$(1)/%.o: %.c $(TEST_OUT)/$(1)/flags | $(DEP_HDRS)
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	$(Q)$(TEST_CC_$(1)) -g -I. $(DEP_FLAGS) -MMD -MP -c -o $$@ $$<

$(DEP_C:$(DEP_SRC)/%.c=$(TEST_OUT)/$(1)/deps/%.o): $(TEST_OUT)/$(1)/deps/%.o: $(DEP_SRC)/%.c $(TEST_OUT)/$(1)/flags
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	$(Q)$(TEST_CC_$(1)) -g $(DEP_FLAGS) $(DEP_QUIET) -c -o $$@ $$<

# P: whole path names, as two folders may have files of the same name
$(TEST_OUT)/$(1)/libmote.a: $(TEST_CODE_$(1):%.c=$(TEST_OUT)/$(1)/%.o) \
		$(DEP_C:$(DEP_SRC)/%.c=$(TEST_OUT)/$(1)/deps/%.o) $(TEST_OUT)/$(1)/members
	@rm -f $$@.tmp
	$(Q)$(TEST_AR) rcsP $$@.tmp $$(filter %.o,$$^)
	@mv $$@.tmp $$@

$(TEST_PROGS_$(1):%=$(TEST_OUT)/$(1)/%): $(TEST_OUT)/$(1)/%: $(TEST_OUT)/$(1)/$(TEST_DIR_$(1))/%.o \
		$(TEST_LIB_$(1):%.c=$(TEST_OUT)/$(1)/%.o) $(TEST_OUT)/$(1)/libmote.a
	@echo "  LD      $$@"
	$(Q)$(TEST_CC_$(1)) -pthread -o $$@ $$^ $(TEST_LINK_$(1))

-include $(patsubst %.c,$(TEST_OUT)/$(1)/%.d,$(TEST_CODE_$(1)) $(TEST_LIB_$(1)) \
	$(TEST_PROGS_$(1):%=$(TEST_DIR_$(1))/%.c))
endef

$(foreach kind,unit fuzz race tsan,$(eval $(call test_kind,$(kind))))

.PHONY: unit unit-tools fuzz race mutants lint results-clean $(TEST_PROGS_unit:%=run-unit/%) \
	$(TEST_PROGS_fuzz:%=run-fuzz/%) $(TEST_PROGS_race:%=run-race/%) $(TEST_PROGS_tsan:%=run-tsan/%) \
	$(TEST_PROGS_asan:%=run-asan/%)
.SECONDARY:

results-clean:
	@rm -rf $(RESULTS)

TEST_RUN := tests/run-one --results $(RESULTS)

# ---- unit --------------------------------------------------------------------------------------

unit: unit-tools $(patsubst %,run-unit/%,$(filter test_%,$(TEST_PROGS_unit)))

$(TEST_PROGS_unit:%=run-unit/%): run-unit/%: $(TEST_OUT)/unit/%
	@$(TEST_RUN) --tap --timeout 120 unit/$* -- $<

# The OpenAPI document, and the manual that is made from it.
.PHONY: run-unit/check-openapi docs-api
unit: run-unit/check-openapi
run-unit/check-openapi: $(BUILD)/mote
	@$(TEST_RUN) --tap --timeout 60 unit/check-openapi -- tests/unit/check-openapi $< --openapi

docs-api: $(BUILD)/mote
	$(Q)$< --openapi | docs/make-api-md >docs/api.md.tmp && mv docs/api.md.tmp docs/api.md

# Programs that whole-system tests run; by their path in $(TEST_OUT)/unit.
unit-tools: $(patsubst %,$(TEST_OUT)/unit/%,$(filter-out test_%,$(TEST_PROGS_unit)))

# ---- fuzz --------------------------------------------------------------------------------------

fuzz: $(TEST_PROGS_fuzz:%=run-fuzz/%)

# New inputs go to a scratch folder; tests/fuzz/corpus/NAME is only read, and all of it is run. Memory
# that is freed is soon used again: fresh pages for each input would take most of the time.
# $(1): program's name, $(2): scratch folder
# libFuzzer's own status for a crash is 77, which tests/run-one takes for a skipped test.
TEST_ARGS_fuzz = -error_exitcode=1 -timeout_exitcode=2 -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	-rss_limit_mb=1024 -verbosity=0 \
	-artifact_prefix=$(2)/ $(2)/corpus $(wildcard tests/fuzz/corpus/$(1:fuzz_%=%))
TEST_ENV_fuzz := ASAN_OPTIONS=quarantine_size_mb=16
TEST_LIMIT_fuzz := $(shell expr $(FUZZ_SECONDS) \* 3 + 60)

$(TEST_PROGS_fuzz:%=run-fuzz/%): run-fuzz/%: $(TEST_OUT)/fuzz/%
	@mkdir -p $<.new/corpus
	@$(TEST_ENV_fuzz) $(TEST_RUN) --timeout $(TEST_LIMIT_fuzz) fuzz/$* -- \
		$< $(call TEST_ARGS_fuzz,$*,$<.new)

# ---- race --------------------------------------------------------------------------------------

TEST_ARGS_race = $(RACE_SECONDS)
TEST_ARGS_tsan = $(RACE_SECONDS)
TEST_ENV_tsan := TSAN_OPTIONS=halt_on_error=1

race: $(TEST_PROGS_race:%=run-race/%) $(TEST_PROGS_asan:%=run-asan/%) $(TEST_PROGS_tsan:%=run-tsan/%)

$(TEST_PROGS_race:%=run-race/%): run-race/%: $(TEST_OUT)/race/%
	@$(TEST_RUN) --timeout 120 race/$* -- $< $(TEST_ARGS_race)

# Of the unit tests' objects.
$(TEST_PROGS_asan:%=$(TEST_OUT)/asan/%): $(TEST_OUT)/asan/%: $(TEST_OUT)/unit/tests/race/%.o \
		$(TEST_LIB_unit:%.c=$(TEST_OUT)/unit/%.o) $(TEST_OUT)/unit/libmote.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(TEST_CC_unit) -pthread -o $@ $^ $(TEST_LINK_unit)

$(TEST_PROGS_asan:%=run-asan/%): run-asan/%: $(TEST_OUT)/asan/%
	@$(TEST_RUN) --timeout 120 asan/$* -- $< $(TEST_ARGS_race)

$(TEST_PROGS_tsan:%=run-tsan/%): run-tsan/%: $(TEST_OUT)/tsan/%
	@$(TEST_ENV_tsan) $(TEST_RUN) --timeout 120 tsan/$* -- $< $(TEST_ARGS_tsan)

# ---- planted bugs ------------------------------------------------------------------------------

# Each line of the list is one test program linked with the files that have planted bugs, compiled
# again with one of the bugs. The program is expected to fail.
MUTANT_CODE := $(shell grep -l '"vmm/mutants.h"' $(TEST_CODE))
MUTANT_LIST := $(shell sed -n 's,^\([0-9]*\) \([a-z]*\)/\(.*\),\1/\2/\3,p' tests/mutants/list)
MUTANT_FUZZ_SECONDS ?= 60
MUTANT_RACE_SECONDS ?= 20

# $(1): number, $(2): kind
define test_mutant_objects
$(TEST_OUT)/mut$(1)/$(2)/%.o: %.c $(TEST_OUT)/$(2)/flags
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	$(Q)$(TEST_CC_$(2)) -DMUT=$(1) -g -I. $(DEP_FLAGS) -MMD -MP -c -o $$@ $$<

-include $(MUTANT_CODE:%.c=$(TEST_OUT)/mut$(1)/$(2)/%.d)
endef

# $(1): number, $(2): kind, $(3): program
define test_mutant
$(TEST_OUT)/mut$(1)/$(3): $(TEST_OUT)/$(2)/$(TEST_DIR_$(2))/$(3).o \
		$(TEST_LIB_$(2):%.c=$(TEST_OUT)/$(2)/%.o) \
		$(MUTANT_CODE:%.c=$(TEST_OUT)/mut$(1)/$(2)/%.o) $(TEST_OUT)/$(2)/libmote.a
	@echo "  LD      $$@"
	$(Q)$(TEST_CC_$(2)) -pthread -o $$@ $$^ $(TEST_LINK_$(2))

.PHONY: run-mutant/$(1)/$(2)/$(3)
run-mutant/$(1)/$(2)/$(3): override FUZZ_SECONDS := $(MUTANT_FUZZ_SECONDS)
run-mutant/$(1)/$(2)/$(3): override RACE_SECONDS := $(MUTANT_RACE_SECONDS)
run-mutant/$(1)/$(2)/$(3): $(TEST_OUT)/mut$(1)/$(3)
	@mkdir -p $$<.new/corpus
	@$(TEST_ENV_$(2)) $(TEST_RUN) --expect-failure --timeout 120 mutant/$(1)/$(3) -- \
		$$< $$(call TEST_ARGS_$(2),$(3),$$<.new)
endef

mutant_line = $(call $(1),$(word 1,$(subst /, ,$(2))),$(word 2,$(subst /, ,$(2))),$(word 3,$(subst /, ,$(2))))
$(foreach m,$(sort $(foreach l,$(MUTANT_LIST),$(patsubst %/,%,$(dir $(l))))),$(eval \
	$(call mutant_line,test_mutant_objects,$(m))))
$(foreach l,$(MUTANT_LIST),$(eval $(call mutant_line,test_mutant,$(l))))

mutants: $(MUTANT_LIST:%=run-mutant/%)

# ---- lint --------------------------------------------------------------------------------------

# What was found clean is remembered, outside of $(RESULTS).
LINT_CHECKS := $(shell sed -n 's/^check_\(.*\)() {.*/\1/p' tests/lint/check)

lint: run-lint/selftest $(LINT_CHECKS:%=run-lint/%)

run-lint/selftest:
	@$(TEST_RUN) --timeout 120 lint/selftest -- tests/lint/selftest

.PHONY: run-lint/selftest $(LINT_CHECKS:%=run-lint/%)
$(LINT_CHECKS:%=run-lint/%): run-lint/%: | $(DEP_HDRS)
	@DEP_SRC=$(DEP_SRC) $(TEST_RUN) --timeout 900 lint/$* -- tests/lint/check $* $(BUILD)/lint
