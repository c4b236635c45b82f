# SPDX-License-Identifier: Apache-2.0
# Benchmarks. Included by the top Makefile, which sets BUILD, CC_MUSL and Q. The testbed is built in
# any case: it is small, and whether KVM is usable is found out when the benchmark runs.

BENCH := $(BUILD)/bench
BENCH_RUNS ?= 10
BENCH_CLOCK ?= auto
BENCH_CFLAGS := -std=gnu11 -O2 -static -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wundef -Wwrite-strings -Wformat=2 -Wconversion \
	$(if $(filter 0,$(WERROR)),,-Werror)

# All of them, each with a plot beside its result file.
BENCHES := boot phases api jail many devices size
bench: $(BENCHES:%=bench-%)
	@for b in $(BENCHES); do \
		for f in $(BENCH)/$$b-kvm.json $(BENCH)/$$b-icount.json $(BENCH)/$$b-none.json; do \
			[ ! -e $$f ] || benchmarks/report --svg $${f%.json}.svg $$f >/dev/null || exit 1; \
		done; \
	done; echo "plots: $(BENCH)/*.svg; 'benchmarks/report FILE' shows a result file, with two files what has changed"

.PHONY: bench bench-boot bench-phases bench-size bench-api bench-jail bench-many bench-devices check-budget bench-files
bench-files: $(BENCH)/measure $(BENCH)/measure_api $(BENCH)/measure_vsock $(BUILD)/mote $(BUILD)/guest/vmlinux $(BUILD)/guest/initrd-min.cpio \
	testbed

bench-boot: bench-files
	@benchmarks/boot --build $(BUILD) --clock $(BENCH_CLOCK) --runs $(BENCH_RUNS)

bench-phases: bench-files $(BENCH)/initrd.cpio
	@benchmarks/phases --build $(BUILD) --clock $(BENCH_CLOCK) $(BENCH_ARGS)

bench-api: bench-files
	@benchmarks/api --build $(BUILD) --clock $(BENCH_CLOCK)

bench-jail: bench-files $(BENCH)/measure_jail $(BUILD)/mote-jailer
	@benchmarks/jail --build $(BUILD) --clock $(BENCH_CLOCK)

bench-many: bench-files
	@benchmarks/many --build $(BUILD) --clock $(BENCH_CLOCK)

bench-size: $(BUILD)/mote $(BUILD)/mote-jailer $(BUILD)/guest/vmlinux $(BUILD)/guest/initrd.cpio
	@benchmarks/size --build $(BUILD)

# Programs that run in the guest, in an initrd of their own.
BENCH_GUEST := $(patsubst benchmarks/guest/%.c,$(BENCH)/guest/%,$(wildcard benchmarks/guest/*.c))

bench-devices: bench-files $(BENCH)/initrd.cpio
	@benchmarks/devices --build $(BUILD) --clock $(BENCH_CLOCK) $(BENCH_ARGS)

$(BENCH)/initrd.cpio: $(BUILD)/guest/initrd-min.cpio $(BENCH_GUEST) benchmarks/guest-initrd
	@echo "  IMAGE   $@"
	$(Q)benchmarks/guest-initrd $@ $< $(BENCH_GUEST)

$(BENCH_GUEST): $(BENCH)/guest/%: benchmarks/guest/%.c benchmarks/bench.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC_MUSL) $(BENCH_CFLAGS) -s $(KERNEL_HEADERS) -o $@ $<

check-budget: bench-files
	@benchmarks/check-budget --build $(BUILD) --results $(BUILD)/tests/results

$(BENCH)/measure $(BENCH)/measure_api $(BENCH)/measure_vsock $(BENCH)/measure_jail: $(BENCH)/%: benchmarks/%.c benchmarks/bench.mk
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC_MUSL) $(BENCH_CFLAGS) -o $@ $<
