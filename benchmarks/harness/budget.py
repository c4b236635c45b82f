# SPDX-License-Identifier: Apache-2.0
"""The recorded cost of a boot in instructions, which `make check` holds new code to.

A line of the budget file is "NAME VALUE us"; '#' starts a comment. 1 us is 1000 instructions.
"""

import os
import re

from . import monitors, samples, stats
from .place import ICOUNT, BenchError

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "budget")
TOLERANCE = 0.03
LINE = re.compile(r"^([a-z-]+) +(\d+) us$")
# Name in the file: key of a sample.
PHASES = {"exec-to-first-instruction": "entry_ms", "exec-to-init": "init_ms"}


def measure(build, runs, progress):
    """Microseconds of each phase: a summary of `runs` starts."""
    series = samples.Series(monitors.mote(), monitors.Guest(), runs)
    samples.run_series(ICOUNT, build, [series], progress)
    if series.failure:
        raise BenchError(f"mote: {series.failure}")
    return {
        name: stats.summary([round(s[key] * 1000) for s in series.samples])
        for name, key in PHASES.items()
    }


def read():
    """The budget: name to microseconds."""
    budget = {}
    try:
        with open(FILE) as f:
            lines = f.read().splitlines()
    except FileNotFoundError:
        raise BenchError(f"{FILE} is missing; benchmarks/record-budget writes it") from None
    for n, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        m = LINE.match(line)
        if not m or m.group(1) not in PHASES:
            raise BenchError(f"{FILE}:{n}: '{line}', expected '{' or '.join(PHASES)}', a number, us")
        budget[m.group(1)] = int(m.group(2))
    missing = [name for name in PHASES if name not in budget]
    if missing:
        raise BenchError(f"{FILE}: no line for {' and '.join(missing)}")
    return budget


def write(measured):
    """Puts new values into the file and keeps its comments."""
    try:
        with open(FILE) as f:
            comments = [line for line in f.read().splitlines() if line.startswith("#")]
    except FileNotFoundError:
        comments = ["# What a boot may cost, in instructions: see benchmarks/README.md."]
    lines = comments + [f"{name} {int(s['median'])} us" for name, s in measured.items()]
    with open(FILE + ".tmp", "w") as f:
        f.write("\n".join(lines) + "\n")
    os.rename(FILE + ".tmp", FILE)
