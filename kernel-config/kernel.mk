# SPDX-License-Identifier: Apache-2.0
# The guest kernel. Included by the top Makefile, which sets BUILD and Q.

KERNEL_FRAGMENTS := kernel-config/base.config kernel-config/virtio.config kernel-config/container.config
KERNEL_TOOLS := kernel-config/build kernel-config/check kernel-config/pack \
	$(wildcard kernel-config/patches/*.patch)

# The build script keeps what it built by content, so that running it again is a copy.
$(BUILD)/guest/vmlinux: $(KERNEL_FRAGMENTS) $(KERNEL_TOOLS) deps/pins
	@mkdir -p $(@D)
	$(Q)kernel-config/build --out $@
	@touch $@

# With symbols in the kernel, tracing and checks: for looking into it, never for figures.
$(BUILD)/guest/vmlinux-debug: $(KERNEL_FRAGMENTS) kernel-config/debug.config $(KERNEL_TOOLS) deps/pins
	@mkdir -p $(@D)
	$(Q)kernel-config/build --with base,virtio,container,debug --out $@
	@touch $@

# Twenty kernels the first time: an hour or more.
kernel-cost: bench-files
	@kernel-config/cost --build $(BUILD)

.PHONY: kernel kernel-debug kernel-cost
kernel: $(BUILD)/guest/vmlinux
kernel-debug: $(BUILD)/guest/vmlinux-debug
