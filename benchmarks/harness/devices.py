# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of devices: what a module of questions consists of, and how its starts are run.

A module (devices_block.py is the example) has NAME, FIGURES and two functions:

    files(build)        {name: path}: what is copied to the directory where its starts run
    starts(engines...)  ([Start], [a line about each peer that is absent])

A Start is one monitor, started by a piece of shell; what it prints is read line by line:

    result KEY NUMBER   the answer to a Figure
    mark KEY begin|end  KVM's counters are read then; what happened between the two, for each of the
                        REQUESTS of "count KEY REQUESTS", are the answers KEY.exits (all exits of the
                        vCPU), KEY.mmio_exits (those to the monitor), KEY.interrupts

Guest programs (benchmarks/guest/NAME.c) print these on the console and are /bench/NAME in the
initrd ./initrd; `$WATCH` passes a monitor's output on and adds the counters at each mark.
"""

import dataclasses
import shlex

from . import monitors
from .script import prologue

CMDLINE = monitors.CMDLINE
COUNTERS = ("exits", "halt_exits", "mmio_exits", "irq_injections")
READ_COUNTERS = f"""
mount -t debugfs none /sys/kernel/debug 2>/dev/null || true
watch_guest() {{
    while IFS= read -r line; do
        printf '%s\\n' "$line"
        case $line in mark*) (cd /sys/kernel/debug/kvm && grep . {' '.join(COUNTERS)}) ;; esac
    done
}}
WATCH=watch_guest
"""


@dataclasses.dataclass
class Figure:
    """One row: a quantity, its goal, and what was recorded of peers that need not be here."""

    key: str
    title: str
    unit: str
    goal: float
    at_most: bool = False  # less is better
    recorded: dict = dataclasses.field(default_factory=dict)

    def met(self, value):
        return value <= self.goal if self.at_most else value >= self.goal


@dataclasses.dataclass
class Start:
    """One monitor with its guest: a column of the table."""

    monitor: str
    shell: str
    is_mote: bool = False  # the column that goals are for
    samples: list = dataclasses.field(default_factory=list)  # a dictionary for each run
    failure: str = ""


def boot_words(command):
    """What the guest's kernel is told, so that init runs `command` (a list of words without '+',
    blanks and the like) and ends."""
    return f"{CMDLINE} MOTE_CMD={'+'.join(command)} MOTE_END=reset"


def qemu_microvm(command, options):
    """A command line for QEMU's microvm with `options`, its guest running `command`."""
    argv = [monitors.find("QEMU microvm"), "-M", "microvm,accel=kvm,acpi=on,pit=off,pic=off,rtc=off,"
            "auto-kernel-cmdline=off,x-option-roms=off", "-cpu", "host", "-m", "128", "-smp", "1"]
    argv += ["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"]
    # It has no keyboard controller to reset by, hence reboot=t: a triple fault.
    argv += ["-global", "virtio-mmio.force-legacy=false", "-kernel", "./vmlinux", "-initrd", "./initrd"]
    return shlex.join([*argv, *options, "-append", boot_words(command) + " reboot=t"])


def config(command, **parts):
    """A configuration file for mote or Firecracker; `parts` are its objects, '_' for '-'."""
    return {
        "boot-source": {"kernel_image_path": "./vmlinux", "initrd_path": "./initrd",
                        "boot_args": boot_words(command)},
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 128},
        "drives": [],
        **{name.replace("_", "-"): value for name, value in parts.items()},
    }


def script(build, modules, starts, runs):
    """The shell script of all starts, each `runs` times. Guest programs warm up for themselves."""
    files = {"mote": f"{build}/mote", "vmlinux": f"{build}/guest/vmlinux",
             "initrd": f"{build}/bench/initrd.cpio"}
    for m in modules:
        files.update(m.files(build))
    lines = [*prologue(files, target="bench-devices"), READ_COUNTERS]
    for i, s in enumerate(starts):
        lines += [f"n=1; while [ $n -le {runs} ]; do echo begin {i} $n", "(", s.shell, ") || true",
                  "n=$((n + 1)); done"]
    return "\n".join(lines) + "\n"


class Reader:
    """Takes the lines of one run to a sample."""

    def __init__(self):
        self.sample, self.counts, self.marks, self.at, self.said = {}, {}, {}, None, []

    def take(self, line):
        words = line.split()
        # A console may have put something before a line of ours, never behind it.
        self.said.append(line)
        try:
            if words[:1] == ["result"]:
                self.sample[words[1]] = float(words[2])
            elif words[:1] == ["count"]:
                self.counts[words[1]] = int(words[2])
            elif words[:1] == ["mark"]:
                self.at = (words[1], words[2])
            elif self.at and line.partition(":")[0] in COUNTERS:
                name, _, value = line.partition(":")
                self.marks.setdefault(self.at, {})[name] = int(value)
        except (IndexError, ValueError):
            pass  # not ours, or cut off: its figure will be missing

    def finish(self):
        for key, requests in self.counts.items():
            begin, end = self.marks.get((key, "begin"), {}), self.marks.get((key, "end"), {})
            for name in begin.keys() & end.keys():
                short = "interrupts" if name == "irq_injections" else name
                self.sample[f"{key}.{short}"] = (end[name] - begin[name]) / requests
        return self.sample


def run(place, path, starts, progress):
    """Runs the script at `path` and fills the starts' samples. Returns the host's kernel."""
    host, reader, at = "unknown", None, None

    def flush():
        if reader is None:
            return
        s, sample = starts[at[0]], reader.finish()
        if not sample:
            s.failure = s.failure or f"run {at[1]}: no result; said last: {' | '.join(reader.said[-4:])}"
        else:
            s.samples.append(sample)

    for line in place.run(path):
        line = line.rstrip("\r")
        if line.startswith("host "):
            host = line[5:]
        elif line.startswith("begin "):
            flush()
            at, reader = tuple(int(n) for n in line.split()[1:]), Reader()
            progress(starts[at[0]], at[1])
        elif reader:
            reader.take(line)
    flush()
    return host
