# SPDX-License-Identifier: Apache-2.0
"""Starts monitors with measure.c and collects what it says about each start."""

import dataclasses
import os
import re
import shlex

from . import smaps
from .monitors import Guest, Monitor
from .place import BenchError
from .script import prologue

BOOT_TIMER = re.compile(r"boot timer: first guest instruction ([\d.]+) ms, init ([\d.]+) ms")
# The guest's init prints this when it runs; with `quiet` nobody else prints anything.
READY = "bench-ready"
TIMEOUT_MS = 2000  # of the clock that measures: a start that takes longer has failed


@dataclasses.dataclass
class Series:
    """One row's starts: the same command, several times."""

    monitor: Monitor
    guest: Guest
    runs: int
    footprint: bool = False  # look at the monitor's memory instead of at the clock
    samples: list = dataclasses.field(default_factory=list)
    failure: str = ""
    excuse: str = ""  # why a failure here says nothing about the monitor

    @property
    def title(self):
        return self.monitor.title + (f", {self.guest.cpus} vCPUs" if self.guest.cpus != 1 else "")

    def booted(self):
        """The guest with the words that make its init say so."""
        guest = self.guest
        # A guest whose memory is looked at stays. It is not asked anything: what a peer is sent before
        # its guest has set up the serial port may cost that port its interrupt for good.
        verb = "hold" if self.footprint else "echo"
        words = f"{guest.words} MOTE_CMD=@{verb}+{READY} MOTE_END=reset".strip()
        return dataclasses.replace(guest, words=words)

    def command(self):
        return self.monitor.command(self.booted())

    def measure_options(self):
        return [*(["--smaps"] if self.footprint else []), "--until", READY]


def script(files, series):
    """The shell script that starts everything; `files` maps names to where they are."""
    texts = {}
    for s in series:
        texts.update(s.monitor.texts(s.booted()))
    lines = prologue(files, texts, "bench-boot")
    for i, s in enumerate(series):
        words = ["./measure", *s.measure_options(), "--timeout-ms", str(TIMEOUT_MS)]
        words += ["--", *s.command()]
        # The first start warms caches and is not counted. One that fails is the last.
        lines.append(f"n=0; while [ $n -le {s.runs} ]; do echo begin {i} $n")
        lines += ["\t" + shlex.join(words) + " || break", "\tn=$((n + 1))", "done"]
    return "\n".join(lines) + "\n"


def take_footprint(s, facts):
    try:
        return {"kib": smaps.footprint(facts["smaps"], s.guest.mem_mib << 20, "vmlinux")}
    except ValueError as e:
        return f"guest memory not found: {e}"


def take_times(s, facts):
    sample = {"ready_ms": int(facts["seen_ns"][0]) / 1e6}
    if s.monitor.boot_timer:
        m = BOOT_TIMER.search("\n".join(facts.get("err", [])))
        if not m:
            return "no boot timer line"
        sample.update(entry_ms=float(m.group(1)), init_ms=float(m.group(2)))
    return sample


def take_sample(s, facts):
    """A sample of what one start said, or a string that says why it is none."""
    if "seen_ns" not in facts:
        said = (facts.get("err", []) + facts.get("out", []))[-4:]
        status = facts.get("status", ["nothing"])[0]
        return f"did not reach the guest's init ({status}); said last: {' | '.join(said)}"
    return take_footprint(s, facts) if s.footprint else take_times(s, facts)


def collect(place, path, series, progress):
    """Runs the script at `path` and fills the series. Returns the host kernel's name."""
    host = "unknown"
    at, facts = None, {}

    def flush():
        if at is None:
            return
        s = series[at[0]]
        sample = take_sample(s, facts)
        if not isinstance(sample, dict):
            s.failure = s.failure or f"run {at[1]}: {sample}"
        elif at[1] > 0:
            s.samples.append(sample)

    for line in place.run(path):
        key, _, rest = line.partition(" ")
        if key == "host":
            host = rest
        elif key == "begin":
            flush()
            at, facts = tuple(int(n) for n in rest.split()), {}
            progress(series[at[0]], at[1])
        else:
            facts.setdefault(key, []).append(rest)
    flush()
    for s in series:
        if len(s.samples) != s.runs and not s.failure:
            raise BenchError(f"{s.title}: {len(s.samples)} samples, expected {s.runs}")
    return host


def run_series(place, build, series, progress, kernel=None):
    """Starts everything that the series ask for, with what is in `build`, or another kernel. Returns
    the host's kernel."""
    files = {
        "measure": f"{build}/bench/measure",
        "mote": f"{build}/mote",
        "vmlinux": kernel or f"{build}/guest/vmlinux",
        "initrd": f"{build}/guest/initrd-min.cpio",
    }
    path = os.path.abspath(f"{build}/bench/script-{os.getpid()}.sh")
    with open(path, "w") as f:
        f.write(script(files, series))
    try:
        return collect(place, path, series, progress)
    finally:
        os.unlink(path)
