# SPDX-License-Identifier: Apache-2.0
"""benchmarks/report: tables, comparisons and plots of result files. No guest."""
import json
import os
import subprocess
import xml.etree.ElementTree

import pytest

import mote

REPORT = os.path.join(mote.REPO, "benchmarks", "report")


def result(path, measures, **more):
    """A result file; `measures` is name: (unit, better, samples)."""
    content = {"version": 1, "benchmark": "boot", "clock": "icount", "clock_text": "instructions", "commit": "c" * 40, "date": "2026-01-01",
               "measures": [{"name": n, "unit": u, "better": b, "samples": s} for n, (u, b, s) in measures.items()], **more}
    path.write_text(json.dumps(content))
    return path


def report(*args):
    done = subprocess.run([REPORT, *map(str, args)], capture_output=True, text=True, timeout=mote.TIMEOUT, check=False)
    return done.returncode, done.stdout, done.stderr


def verdicts(text):
    """The last column of each row, by name, of rows that have one."""
    return {line.split("  ")[0]: line.split()[-1] for line in text.splitlines() if "%" in line or line.endswith(("new", "gone"))}


def test_one_file(tmp_path):
    samples = list(range(1, 201))
    status, out, err = report(result(tmp_path / "a", {"init": ("ms", "less", samples)}, absent=["kvmtool: none"]))
    assert (status, err) == (0, "")
    row = next(line for line in out.splitlines() if line.startswith("init"))
    assert row.split() == ["init", "ms", "100.5", "1", "200", "198", "200"]  # median, min, max, p99, runs
    assert "Clock: instructions." in out and "absent: kvmtool: none" in out and "commit cccccccccccc," in out


def test_what_changed(tmp_path):
    before = result(tmp_path / "a", {"slower": ("ms", "less", [10, 10.1]), "faster": ("ms", "less", [10, 10.1]),
                                     "noise": ("ms", "less", [10, 12]), "little": ("ms", "less", [10.0, 10.01]),
                                     "rate": ("MB/s", "more", [100]), "lost": ("ms", "less", [1]), "zero": ("wake-ups", "less", [0])})
    after = result(tmp_path / "b", {"slower": ("ms", "less", [11, 11.1]), "faster": ("ms", "less", [9, 9.1]),
                                    "noise": ("ms", "less", [11.9, 14]), "little": ("ms", "less", [10.1, 10.2]),
                                    "rate": ("MB/s", "more", [80]), "fresh": ("ms", "less", [1]), "zero": ("wake-ups", "less", [0])})
    status, out, err = report(before, after)
    assert (status, err) == (1, "") and "2 worse beyond the spread" in out
    assert verdicts(out) == {"slower": "WORSE", "faster": "better", "noise": "+17.7%", "little": "+1.4%", "rate": "WORSE", "fresh": "new",
                             "lost": "gone", "zero": "+0.0%"}
    status, out, _ = report(after, before)
    assert verdicts(out)["rate"] == "better" and status == 1  # "faster" has become slower
    assert report(before, before)[0] == 0


@pytest.mark.parametrize("key, value", [("clock", "kvm"), ("benchmark", "api")])
def test_what_cannot_be_compared(tmp_path, key, value):
    before = result(tmp_path / "a", {"init": ("ms", "less", [1])})
    after = result(tmp_path / "b", {"init": ("ms", "less", [1])}, **{key: value})
    assert report(before, after) == (2, "", f"benchmarks/report: {after}: {key} is {value}, expected {json.loads(before.read_text())[key]}"
                                     f" as in {before}\n")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 2, "benchmark": "boot", "clock": "kvm", "commit": "", "measures": []}',
                                  *('{"version": 1, "benchmark": "boot", "clock": "kvm", "commit": "", "measures": [%s]}' % m for m in (
                                      "7", "{}", '{"name": "a", "unit": "b", "better": "less", "samples": []}',
                                      '{"name": "a", "unit": "b", "better": "less", "samples": [NaN]}',
                                      '{"name": "a", "unit": "b", "better": "so", "samples": [1]}',
                                      '{"name": "a", "unit": "b", "better": "less", "samples": ["x"]}'))])
def test_files_that_are_none(tmp_path, text):
    path = tmp_path / "a"
    path.write_text(text)
    status, out, err = report(path)
    assert (status, out) == (2, "") and err.startswith(f"benchmarks/report: {path}: ") and err.count("\n") == 1


def test_plot(tmp_path):
    path = result(tmp_path / "a", {"a <b> & c": ("ms", "less", [1, 2, 3]), "size": ("KiB", "less", [400])})
    assert report(path, "--svg", tmp_path / "a.svg")[0] == 0
    root = xml.etree.ElementTree.parse(tmp_path / "a.svg").getroot()
    words = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert "a <b> & c" in words and "ms (less is better)" in words and "2" in words
    bars = [float(e.get("width")) for e in root.iter() if e.get("height") == "12"]
    assert len(bars) == 2 and bars[0] == pytest.approx(bars[1] * 2 / 3, rel=0.01)
