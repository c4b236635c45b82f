# SPDX-License-Identifier: Apache-2.0
"""Jails in cgroups of version 2, as root. The hierarchy is the testbed's, or one in which we are root. No guest."""
import os
import subprocess

import pytest

import jail
import mote

CONTROLLERS = os.path.join(jail.CGROUP, "cgroup.controllers")
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="not root"),
              pytest.mark.skipif(not os.path.exists(CONTROLLERS), reason="no cgroup version 2 on /sys/fs/cgroup")]
LIMITS = {"memory.max": "67108864", "pids.max": "20", "cpu.max": "50000 100000", "cpu.weight": "50",
          "cpuset.cpus": "0", "memory.swap.max": "0"}


@pytest.fixture
def place():
    p = jail.Place()
    yield p
    p.remove()


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read().strip()


def settings(**changes):
    words = []
    for file, value in {**LIMITS, **changes}.items():
        if os.path.exists(os.path.join(jail.CGROUP, "init", file)) or file.split(".")[0] in read(CONTROLLERS).split():
            words += ["--cgroup", f"{file}={value}"]
    return words


def own_cgroup(pid):
    return [line for line in mote.proc_lines(pid, "cgroup") if line.startswith("0::")][0][3:]


@pytest.mark.parametrize("version", [(), ("--cgroup-version", "2")], ids=["detected", "given"])
def test_limits_are_set(place, version):
    m, pid = place.hold("one", *version, *settings())
    assert own_cgroup(pid) == "/probe/one"
    for file, value in LIMITS.items():
        path = os.path.join(place.cgroup("one"), file)
        if os.path.exists(path):
            assert read(path) == value, file
    m.close()
    place.cleaned("one")
    place.nothing_left()


def test_a_cgroup_without_limits(place):
    m, pid = place.hold("one")
    assert own_cgroup(pid) == "/probe/one"
    m.close()
    place.cleaned("one")
    place.nothing_left()


def test_fork_bomb(place):
    result = place.run("one", "--cgroup", "pids.max=20", words=["forks", "stop"])
    assert result.status == 7 and result.out == b"forks 19 EAGAIN\n", result
    assert read(os.path.join(place.cgroup("one"), "pids.events")) == "max 1"


def test_memory_bomb(place):
    result = place.run("one", "--cgroup", "memory.max=32M", "--cgroup", "memory.swap.max=0", words=["eat", "200"])
    assert result.status == -9 and result.out == b"", result
    assert place.run("two", "--cgroup", "memory.max=32M", words=["eat", "8"]).out == b"ate 8\n"


def test_io_limit(place):
    disk = next((d for d in sorted(os.listdir("/sys/block")) if not d.startswith(("ram", "zram", "sr"))), None)
    if disk is None or "io" not in read(CONTROLLERS).split():
        pytest.skip("no disk to limit")
    number = read(f"/sys/block/{disk}/dev")
    m, _ = place.hold("one", "--cgroup", f"io.max={number} rbps=1048576 wbps=1048576")
    assert "rbps=1048576 wbps=1048576" in read(os.path.join(place.cgroup("one"), "io.max"))
    m.close()
    place.cleaned("one")


def test_parent_cgroup(place):
    m, pid = place.hold("one", "--parent-cgroup", "a/b", *settings())
    assert own_cgroup(pid) == "/a/b/one"
    m.close()
    place.cleaned("one")
    # A parent that was named may be somebody's, with limits of its own.
    assert jail.cgroup_folders() - place.cgroups == {f"{jail.CGROUP}/a", f"{jail.CGROUP}/a/b"}
    os.rmdir(f"{jail.CGROUP}/a/b")
    os.rmdir(f"{jail.CGROUP}/a")


def test_a_failure_removes_the_parents_that_it_made(place):
    jail.refused(place.run("one", "--parent-cgroup", "a/b", *settings(), "--cgroup", "memory.max=x"),
                 "/a/b/one/memory.max: 'x': Invalid argument")
    place.nothing_left()


def test_joining_a_cgroup_that_is_there(place):
    """Firecracker's way: version 2, no setting, a parent that exists."""
    os.mkdir(f"{jail.CGROUP}/given")
    try:
        m, pid = place.hold("one", "--cgroup-version", "2", "--parent-cgroup", "given")
        assert own_cgroup(pid) == "/given"
        m.close()
        place.cleaned("one")
    finally:
        os.rmdir(f"{jail.CGROUP}/given")
    place.nothing_left()


@pytest.mark.parametrize("setting,text", [
    ("memory.nosuch=1", "memory.nosuch: '1': No such file"), ("pids.max=-7", "pids.max: '-7'"),
    ("cpuset.cpus=9999", "cpuset.cpus: '9999'"),
])
def test_settings_that_the_kernel_refuses(place, setting, text):
    jail.refused(place.run("one", "--cgroup", setting), text)
    place.nothing_left()


def test_version_1_on_a_host_with_version_2(place):
    jail.refused(place.run("one", "--cgroup-version", "1", "--cgroup", "memory.max=64M"),
                 "but there is one of version 2")
    place.nothing_left()
    assert place.run("one", "--cgroup-version", "1", words=["stop"]).status == 7  # Firecracker's: nothing to do


def test_a_cgroup_with_processes_is_not_taken(place):
    path = place.cgroup("one")
    os.makedirs(path)
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(sleeper.pid))
        jail.refused(place.run("one"), "it has processes already")
        assert os.path.isdir(path)
    finally:
        sleeper.kill()
        sleeper.wait()
    mote.wait_until(lambda: read(os.path.join(path, "cgroup.events")).startswith("populated 0"), "an empty cgroup")
    assert place.run("one", words=["stop"]).status == 7  # empty, of one that was killed
    place.cleaned("one")
    place.nothing_left()


def test_cgroups_that_cannot_be_written(place):
    """A limit that cannot be set is an error; a cgroup that nobody asked for is done without."""
    script = 'mount --bind /sys/fs/cgroup /sys/fs/cgroup; mount -o remount,bind,ro /sys/fs/cgroup; "$@"'
    result = jail.in_mount_namespace(script, jail.JAILER, *place.args("one", "--cgroup", "memory.max=64M"))
    assert result.returncode == 1 and b"cgroup /sys/fs/cgroup: not writable" in result.stderr, result
    place.nothing_left()
    result = jail.in_mount_namespace(script, jail.JAILER, *place.args("one", words=["stop"]))
    assert result.returncode == 7 and b"no cgroup of its own" in result.stderr, result


def test_no_cgroups_at_all(place):
    script = 'umount -R /sys/fs/cgroup; "$@"'
    result = jail.in_mount_namespace(script, jail.JAILER, *place.args("one", "--cgroup", "memory.max=64M"))
    assert result.returncode == 1 and b"has controller 'memory'" in result.stderr, result
    result = jail.in_mount_namespace(script, jail.JAILER, *place.args("one", words=["stop"]))
    assert (result.returncode, result.stderr) == (7, b""), result


def test_parallel_starts_share_a_parent(place):
    """The last one out removes it, while others come in."""
    for _ in range(3):
        started = [place.start(f"vm-{i}", *settings(), words=["stop"]) for i in range(10)]
        for m in started:
            assert m.result().status == 7
        cleaning = [mote.Mote("--clean", f"vm-{i}", "--chroot-base-dir", place.base, program=jail.JAILER)
                    for i in range(5)]
        started = [place.start(f"new-{i}", *settings(), words=["stop"]) for i in range(5)]
        for m in started:
            result = m.result()
            assert result.status == 7, result
        for m in cleaning:
            assert m.result().status == 0
        for i in range(5):
            place.cleaned(f"vm-{i + 5}")
            place.cleaned(f"new-{i}")
    place.nothing_left()
