# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks share: where they run, what they start, what they make of its output."""
