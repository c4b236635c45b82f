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
