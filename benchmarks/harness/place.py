# SPDX-License-Identifier: Apache-2.0
"""Where a benchmark runs, and so which clock it has: this machine's KVM, or the testbed."""

import os
import signal
import subprocess

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class BenchError(Exception):
    """Something to tell the user in one line."""


def end_by_signal(signum, _frame):
    raise SystemExit(128 + signum)


# So that what was started ends with us.
signal.signal(signal.SIGTERM, end_by_signal)


class Place:
    """A way to run a shell script, and the name of its clock."""

    def __init__(self, name, clock, prefix):
        self.name = name
        self.clock = clock
        self.prefix = prefix  # words before the script's

    def run(self, script):
        """Yields the lines that the script writes; its errors go to ours."""
        argv = [*self.prefix, "/bin/sh", script]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
        ) as child:
            try:
                yield from (line.rstrip("\n") for line in child.stdout)
            except BaseException:
                child.terminate()
                raise
        if child.returncode != 0:
            raise BenchError(f"{' '.join(argv)}: ended with {child.returncode}, expected 0")


WALL = Place("kvm", "wall time, this machine's KVM", [])
NOWHERE = Place("none", "none, nothing is timed", [])
ICOUNT = Place(
    "icount",
    "instructions, in the testbed: 1 ms = 1 M instructions of host kernel, monitor and guest,\n"
    "RCU expedited; a measure of work, not a latency on hardware",
    [
        os.path.join(REPO, "tests/testbed/run"),
        *("--icount", "--rcu-expedited", "--timeout", "1800", "--"),
    ],
)


def choose(wanted):
    """The place called `wanted`, or with "auto" the one with real KVM if there is one."""
    if wanted == "icount":
        return ICOUNT
    usable = subprocess.run(
        [os.path.join(REPO, "tests/testbed/kvm-usable")], stdout=subprocess.PIPE, text=True
    )
    if usable.returncode == 0:
        return WALL
    if wanted == "kvm":
        raise BenchError(usable.stdout.strip())
    return ICOUNT
