# SPDX-License-Identifier: Apache-2.0
"""Result files: what every benchmark writes, and what benchmarks/report reads.

A file is JSON: "benchmark" and "clock" (kvm or icount: never compared with each other), where it comes from
(machine.facts), "measures", and whatever else the benchmark wants to keep. A measure has a name that is the same in
the next file, a unit, "better" (less or more) and its samples.
"""

import dataclasses
import json
import math
import os
import statistics

from . import machine, stats

VERSION = 1
# Instructions repeat to a percent or two; what changes less is no change, however narrow the spread.
TOLERANCE = 0.02


class ResultError(Exception):
    """Something to tell the user in one line."""


@dataclasses.dataclass
class Measure:
    name: str
    unit: str
    samples: list
    better: str = "less"

    @property
    def median(self):
        return statistics.median(self.samples)

    @property
    def p99(self):
        return stats.p99(self.samples)

    def cells(self):
        values = (self.median, min(self.samples), max(self.samples), self.p99)
        return [self.name, self.unit, *map(number, values), str(len(self.samples))]


def number(value):
    """Four digits are what repeats."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(measures, **more):
    """Measures as text: median, range, 99th percentile, and for each of `more` (heading -> {name: text}) a column."""
    head = ["", "unit", "median", "min", "max", "p99", "runs", *more]
    return stats.table([head] + [m.cells() + [column.get(m.name, "") for column in more.values()] for m in measures])


def save(build, name, where, measures, **more):
    """Writes BUILD/bench/NAME-CLOCK.json, whole or not at all; its path."""
    path = os.path.join(build, "bench", f"{name}-{where.name}.json")
    content = {"version": VERSION, "benchmark": name, "clock": where.name, "clock_text": where.clock}
    content.update(machine.facts(os.path.join(build, "mote")), **more)
    content["measures"] = [dataclasses.asdict(m) for m in measures]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        json.dump(content, f, indent=1)
        f.write("\n")
    os.rename(path + ".tmp", path)
    return path


def measure_of(path, entry):
    try:
        m = Measure(entry["name"], entry["unit"], [float(v) for v in entry["samples"]], entry["better"])
    except (KeyError, TypeError, ValueError) as e:
        raise ResultError(f"{path}: a measure without a proper {e}") from None
    if not m.samples or not all(map(math.isfinite, m.samples)) or m.better not in ("less", "more"):
        raise ResultError(f"{path}: {m.name}: expected samples, and 'better' to be less or more")
    return m


def load(path):
    """The file's content, its measures as Measure."""
    try:
        with open(path, encoding="utf-8") as f:
            content = json.load(f)
    except (OSError, ValueError) as e:
        raise ResultError(f"{path}: {e}") from None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise ResultError(f"{path}: not a result file of version {VERSION}")
    for key in ("benchmark", "clock", "measures", "commit"):
        if key not in content:
            raise ResultError(f"{path}: no '{key}' in it")
    content["measures"] = [measure_of(path, e) for e in content["measures"]]
    return content


def change(old, new):
    """(relative change of the median, "better", "worse" or "" when it is within the spread)."""
    if old.median:
        part = (new.median - old.median) / old.median
    else:
        part = math.copysign(math.inf, new.median) if new.median else 0.0
    apart = min(new.samples) > max(old.samples) or max(new.samples) < min(old.samples)
    if not apart or abs(part) <= TOLERANCE:
        return part, ""
    return part, "better" if (part < 0) == (old.better == "less") else "worse"
