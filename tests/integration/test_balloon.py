# SPDX-License-Identifier: Apache-2.0
"""The balloon: memory that a real Linux guest gives back, measured by what the monitor holds."""
import re
import subprocess
import time

import pytest

import api
import mote
from api import PAUSED, RUNNING
from mote import INITRD_MIN, guest_file, proc_lines, wait_until

MIB = 1 << 20
MEM = 160  # MiB of each guest here
FILL = 80  # MiB that it uses for a while


def held(pid):
    """MiB in the monitor's memory, huge pages too."""
    kib = {k: int(v.split()[0]) for k, v in (line.split(":", 1) for line in proc_lines(pid, "status"))
           if k in ("VmRSS", "HugetlbPages")}
    return sum(kib.values()) / 1024


class Guest(api.Monitor):
    """A guest whose shell does what the test tells it, over the console."""

    def __init__(self, tmp_path, balloon, **machine):
        super().__init__(tmp_path, "--log-path", tmp_path / "log", stdin=subprocess.PIPE)
        self.seen = 0
        machine = {"vcpu_count": 1, "mem_size_mib": MEM, **machine}
        self.api.put("/machine-config", machine)
        self.api.put("/balloon", {"amount_mib": 0, "deflate_on_oom": False, **balloon})
        script = "stty -echo; mount -t tmpfs -o size=140M t /tmp; echo ready 0; while read -r c; do eval \"$c\"; echo done $?; done"
        self.shell(script, **machine)
        self.said(rb"ready 0")

    def said(self, what):
        match = self.out.wait_for(re.compile(what), start=self.seen)
        self.seen = match.end()
        return match

    def do(self, command):
        """Runs it there; what it wrote."""
        self.send(command.encode() + b"\n")
        start = self.seen
        assert self.said(rb"done (\d+)\r?\n").group(1) == b"0", command
        return self.out.text()[start:self.seen].decode().rpartition("done ")[0]

    def fill(self, mib=FILL):
        """Has memory of the guest used, and looks that it holds what was written."""
        self.do(f"/init @fill /tmp/fill {mib * MIB} 7 && /init @verify /tmp/fill {mib * MIB} 7")

    def free(self):
        self.do("rm /tmp/fill; sync")

    def actual(self):
        return self.api.get("/balloon/statistics")["actual_mib"]

    def counts(self, group="balloon"):
        return self.api.get("/metrics")[group]


def test_it_inflates_and_deflates(tmp_path):
    with Guest(tmp_path, {"stats_polling_interval_s": 1, "free_page_hinting": True}) as g:
        g.fill()
        g.free()
        full = held(g.pid)
        assert full > FILL
        g.api.patch("/balloon", {"amount_mib": 70})
        wait_until(lambda: g.actual() == 70, "70 MiB in the balloon")
        wait_until(lambda: held(g.pid) < full - 50, f"less than {full} - 50 MiB held")
        counts = g.counts()
        assert counts["inflate_count"] >= 70 and counts["deflate_count"] == 0 and counts["event_fails"] == 0
        assert g.api.get("/balloon")["amount_mib"] == 70
        # Its target is not more than its memory.
        assert g.api.refused("PATCH", "/balloon", {"amount_mib": MEM + 1}).startswith(
            "amount_mib: Amount of pages requested is too large: 161 MiB, expected at most the guest's 160 MiB")
        # While all stands still nothing moves, and nothing is lost.
        g.api.patch("/vm", {"state": "Paused"})
        before = held(g.pid)
        g.api.patch("/balloon", {"amount_mib": 0})
        assert g.actual() == 70 and abs(held(g.pid) - before) < 1
        g.api.patch("/vm", {"state": "Resumed"})
        wait_until(lambda: g.actual() == 0, "an empty balloon")
        assert g.counts()["deflate_count"] >= 70
        g.fill()  # all of it can be used again
        g.free()
        statistics(g)
        hinting(g)
        g.fill()


def statistics(g):
    wait_until(lambda: "free_memory" in g.api.get("/balloon/statistics"), "statistics of the guest")
    s = g.api.get("/balloon/statistics")
    assert MEM * MIB * 0.8 < s["total_memory"] < MEM * MIB
    assert s["free_memory"] <= s["total_memory"] and s["available_memory"] <= s["total_memory"]
    # What this kernel does not count (CONFIG_VM_EVENT_COUNTERS) it does not tell, and we do not say.
    assert "disk_caches" in s and "oom_kill" not in s
    assert s["target_pages"] == 0 and s["target_mib"] == 0
    asked = g.counts()["stats_updates_count"]
    wait_until(lambda: g.counts()["stats_updates_count"] >= asked + 2, "new statistics every second")
    assert g.api.refused("PATCH", "/balloon/statistics", {"stats_polling_interval_s": 0}).startswith(
        "stats_polling_interval_s: 0, expected 1 to 65535: statistics cannot be turned on or off after boot")
    g.api.patch("/balloon/statistics", {"stats_polling_interval_s": 1000})
    assert g.api.get("/balloon")["stats_polling_interval_s"] == 1000
    asked = g.counts()["stats_updates_count"]
    g.do("sleep 3")
    assert g.counts()["stats_updates_count"] <= asked + 1


def hinting(g):
    assert g.api.get("/balloon/hinting/status") == {"host_cmd": 0, "guest_cmd": None}
    full = held(g.pid)
    g.api.patch("/balloon/hinting/start", None)
    wait_until(lambda: g.api.get("/balloon/hinting/status") == {"host_cmd": 1, "guest_cmd": 0}, "the end of a run")
    wait_until(lambda: held(g.pid) < full - FILL * 0.7, f"much less than {full} MiB held")
    counts = g.counts()
    assert counts["free_page_hint_count"] > 0 and counts["free_page_hint_fails"] == 0
    assert counts["free_page_hint_freed"] > FILL * 0.7 * MIB
    # Without acknowledgement the guest keeps what it told until it is stopped.
    g.api.patch("/balloon/hinting/start", {"acknowledge_on_stop": False})
    wait_until(lambda: g.api.get("/balloon/hinting/status")["guest_cmd"] == 0, "the end of another run")
    assert g.api.get("/balloon/hinting/status")["host_cmd"] == 3
    g.api.patch("/balloon/hinting/stop", None)
    assert g.api.get("/balloon/hinting/status") == {"host_cmd": 1, "guest_cmd": 0}


def test_free_pages_are_reported(tmp_path):
    with Guest(tmp_path, {"free_page_reporting": True}) as g:
        assert g.api.get("/balloon/reporting/status") == {"paused": False}
        assert g.api.refused("PATCH", "/balloon/hinting/start") == \
            "hinting: not enabled, expected a balloon with free_page_hinting"
        assert g.api.refused("GET", "/balloon/statistics") == \
            "statistics: not enabled, expected a balloon with stats_polling_interval_s"
        g.fill()
        g.api.patch("/balloon/reporting/pause", None)
        assert g.api.get("/balloon/reporting/status") == {"paused": True}
        g.free()
        full = held(g.pid)
        reports = g.counts()["free_page_report_count"]
        g.do("sleep 6")  # the guest's own delay is 2 s
        assert g.counts()["free_page_report_count"] == reports and held(g.pid) > full - 8
        g.api.patch("/balloon/reporting/resume", None)
        wait_until(lambda: held(g.pid) < full - FILL * 0.7, f"much less than {full} MiB held")
        counts = g.counts()
        assert counts["free_page_report_freed"] > FILL * 0.7 * MIB and counts["free_page_report_fails"] == 0
        g.fill()


@pytest.fixture
def huge_pages():
    path = "/proc/sys/vm/nr_hugepages"
    with open(path, encoding="ascii") as f:
        before = f.read()
    with open(path, "w", encoding="ascii") as f:
        f.write(str(MEM // 2 + 8))
    with open(path, encoding="ascii") as f:
        if int(f.read()) < MEM // 2:
            pytest.skip("no huge pages to be had")
    yield
    with open(path, "w", encoding="ascii") as f:
        f.write(before)


def test_with_huge_pages(tmp_path, huge_pages):
    """A page of the host's goes when all of its small ones are in the balloon, or it is told as a whole."""
    balloon = {"stats_polling_interval_s": 1, "free_page_hinting": True, "free_page_reporting": True}
    with Guest(tmp_path, balloon, huge_pages="2M") as g:
        g.fill()
        full = held(g.pid)
        assert full > FILL
        g.free()
        wait_until(lambda: held(g.pid) < full - FILL * 0.7, f"much less than {full} MiB held")
        g.fill()
        g.api.patch("/balloon/reporting/pause", None)
        g.free()
        full = held(g.pid)
        g.api.patch("/balloon", {"amount_mib": 80})
        wait_until(lambda: g.actual() == 80, "80 MiB in the balloon")
        wait_until(lambda: held(g.pid) < full - 40, f"less than {full} - 40 MiB held")
        # The guest keeps what it has reported out of use as long as nobody answers.
        g.api.patch("/balloon/reporting/resume", None)
        g.api.patch("/balloon", {"amount_mib": 0})
        wait_until(lambda: g.actual() == 0, "an empty balloon")
        g.fill()


def test_a_guest_without_memory_takes_it_back(tmp_path):
    with Guest(tmp_path, {"deflate_on_oom": True, "stats_polling_interval_s": 1, "amount_mib": 130}) as g:
        wait_until(lambda: g.actual() > 100, "most of the memory in the balloon", timeout=2 * mote.TIMEOUT)
        g.api.patch("/balloon", {"amount_mib": g.actual()})
        g.do("dd if=/dev/zero bs=80M count=1 2>/dev/null | tail -c 1 >/dev/null")
        assert g.actual() < 100


def test_a_hostile_driver(tmp_path):
    """Whatever a guest without an operating system names, the API answers, and the device works afterwards."""
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log") as m:
        m.configure(kernel=guest_file("tiny.elf"), initrd=INITRD_MIN, boot_args="MOTE_CMD=balloon", mem_size_mib=64)
        m.api.put("/balloon", {"amount_mib": 1, "deflate_on_oom": False, "stats_polling_interval_s": 1,
                               "free_page_hinting": True, "free_page_reporting": True})
        m.api.start()
        try:
            while b"it lives" not in m.out.text():
                assert m.api.get("/balloon/statistics")["target_mib"] == 1
                time.sleep(0.2)  # two CPUs are all there are
        except (OSError, EOFError):  # the guest has ended
            pass
        status = m.wait()
        assert (m.out.finish(10).replace(b"\r", b""), status) == (b"it lives\nit works\n", 0)


def test_a_guest_that_never_answers(tmp_path):
    """No driver: what was asked for can be asked and changed, and there are no statistics."""
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log") as m:
        m.configure(kernel=guest_file("tiny.elf"), initrd=INITRD_MIN, boot_args="MOTE_CMD=spin")
        m.api.put("/balloon", {"amount_mib": 0, "deflate_on_oom": False, "stats_polling_interval_s": 1,
                               "free_page_hinting": True, "free_page_reporting": True})
        m.api.start()
        m.out.wait_for(b"spinning")
        m.api.patch("/balloon", {"amount_mib": 64})
        assert m.api.get("/balloon/statistics") == {"target_pages": 64 * 256, "target_mib": 64, "actual_pages": 0,
                                                    "actual_mib": 0}
        assert m.api.refused("PATCH", "/balloon/hinting/start").startswith("hinting: the guest's driver is not there")
        m.api.patch("/balloon/hinting/stop", None)
        m.api.patch("/balloon/reporting/pause", None)
        m.api.patch("/balloon/reporting/resume", None)
        m.api.patch("/balloon/statistics", {"stats_polling_interval_s": 2})
