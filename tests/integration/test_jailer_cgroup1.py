# SPDX-License-Identifier: Apache-2.0
"""Jails on hosts with cgroups of version 1, and of both: made out of the testbed's by mounting. No guest.

A controller is in one hierarchy only, and leaves version 2's when no cgroup uses it there. The host's view, on which other
tests stand, is given back at the end.
"""
import os
import subprocess
import tempfile

import pytest

import jail
import mote

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="not root"),
              pytest.mark.skipif(not os.environ.get("MOTE_TESTBED"), reason="takes the host's cgroups apart")]
HIERARCHIES = ("cpu,cpuacct", "cpuset", "memory", "pids", "blkio")


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read().strip()


def sh(*words):
    subprocess.run(words, check=True)


def given_back(controllers):
    """Whether version 2 has them again. A hierarchy of version 1 that was unmounted while removed groups still held memory
    stays for good: it is mounted and unmounted once more."""
    missing = set(controllers) - set(read(os.path.join(jail.CGROUP, "cgroup.controllers")).split())
    write("/proc/sys/vm/drop_caches", "3")
    for controller in missing:
        names = {"io": "blkio", "cpu": "cpu,cpuacct"}.get(controller, controller)
        with tempfile.TemporaryDirectory() as path:
            if subprocess.run(["mount", "-t", "cgroup", "-o", names, "cgroup", path], check=False).returncode == 0:
                sh("umount", path)
    return not missing


@pytest.fixture(scope="module", params=["v1", "hybrid"])
def host(request):
    """Version 1's hierarchies below /sys/fs/cgroup, and with "hybrid" version 2's without controllers."""
    control = os.path.join(jail.CGROUP, "cgroup.subtree_control")
    before = read(control).split()
    write(control, " ".join(f"-{c}" for c in before))
    sh("umount", jail.CGROUP)
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "none", jail.CGROUP)
    for names in HIERARCHIES:
        path = os.path.join(jail.CGROUP, names)
        os.mkdir(path)
        sh("mount", "-t", "cgroup", "-o", names, "cgroup", path)
    if request.param == "hybrid":
        os.mkdir(f"{jail.CGROUP}/unified")
        sh("mount", "-t", "cgroup2", "cgroup2", f"{jail.CGROUP}/unified")
    yield request.param
    sh("umount", "-R", jail.CGROUP)
    sh("mount", "-t", "cgroup2", "cgroup2", jail.CGROUP)
    mote.wait_until(lambda: given_back(before), "the controllers' return")
    write(control, " ".join(f"+{c}" for c in before))


@pytest.fixture
def place(host):
    p = jail.Place()
    p.kind = host
    yield p
    p.remove()


@pytest.mark.parametrize("version", [(), ("--cgroup-version", "1")], ids=["detected", "given"])
def test_limits_of_version_1(place, version):
    limits = {"cpuset.cpus": "0", "memory.limit_in_bytes": "67108864", "pids.max": "20", "cpu.shares": "512"}
    words = [w for file, value in limits.items() for w in ("--cgroup", f"{file}={value}")]
    m, pid = place.hold("one", *version, *words)
    folders = dict(line.split(":", 2)[1:] for line in mote.proc_lines(pid, "cgroup"))
    for names in ("cpu,cpuacct", "cpuset", "memory", "pids"):
        assert folders[names] == "/probe/one"
    assert folders["blkio"] == "/"
    for file, value in limits.items():
        names = next(n for n in HIERARCHIES if file.split(".")[0] in n.split(","))
        assert read(f"{jail.CGROUP}/{names}/probe/one/{file}") == value
    # A cpuset without memory nodes takes no process; it got its parent's.
    assert read(f"{jail.CGROUP}/cpuset/probe/one/cpuset.mems") == read(f"{jail.CGROUP}/cpuset/cpuset.mems")
    m.close()
    place.cleaned("one")
    place.nothing_left()


def test_fork_bomb(place):
    assert place.run("one", "--cgroup", "pids.max=20", words=["forks"]).out == b"forks 19 EAGAIN\n"
    place.cleaned("one")


def test_memory_bomb(place):
    result = place.run("one", "--cgroup", "memory.limit_in_bytes=32M", words=["eat", "200"])
    assert result.status == -9 and result.out == b"", result


def test_failures_undo(place):
    for setting in ("memory.limit_in_bytes=x", "cpuset.cpus=9999"):
        jail.refused(place.run("one", "--cgroup", "pids.max=20", "--cgroup", setting), setting.split("=")[0])
        place.nothing_left()
    jail.refused(place.run("one", "--cgroup", "pids.max=20", program=jail.STOPS, env={"FAIL": "exec"}), "step exec")
    place.nothing_left()


def test_version_2_is_not_there(place):
    text = "is not in" if place.kind == "hybrid" else "no hierarchy of version 2"
    jail.refused(place.run("one", "--cgroup-version", "2", "--cgroup", "memory.max=64M"), text)
    jail.refused(place.run("one", "--cgroup", "nosuch.max=64M"), "nosuch")
    place.nothing_left()


def test_without_limits(place):
    m, pid = place.hold("one")
    folders = dict(line.split(":", 2)[1:] for line in mote.proc_lines(pid, "cgroup"))
    assert folders.get("", "/") == ("/probe/one" if place.kind == "hybrid" else "/")
    assert folders["memory"] == "/"
    m.close()
    place.cleaned("one")
    place.nothing_left()
