# SPDX-License-Identifier: Apache-2.0
"""What a jailed process sees and can do, and the jailer's ways to start it. As root; no guest."""
import os
import re
import signal
import socket
import subprocess

import pytest

import jail
import mote
from jail import GID, UID

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not root")
NONE = "0000000000000000"


@pytest.fixture
def place():
    p = jail.Place()
    yield p
    p.remove()


def check_root_files(found, uid=UID, gid=GID):
    """Exactly what the jailer makes, and whose it is."""
    own = f"{uid}:{gid}"
    expected = {
        "/probe": ("100500", own, "0:0"), "/probe.pid": ("100644", "0:0", "0:0"),
        "/dev": ("40700", own, "0:0"), "/dev/net": ("40700", own, "0:0"), "/run": ("40700", own, "0:0"),
        "/dev/kvm": ("20600", own, "10:232"), "/dev/net/tun": ("20600", own, "10:200"),
        "/dev/urandom": ("20600", own, "1:9"),
    }
    if os.path.exists("/dev/userfaultfd"):
        device = os.stat("/dev/userfaultfd").st_rdev
        expected["/dev/userfaultfd"] = ("20600", own, f"{os.major(device)}:{os.minor(device)}")
    assert found == expected


def test_what_it_is_and_has(place):
    m, pid = place.hold("one", words=["report", "files"], extra_groups=[7, 8])
    assert pid == m.pid
    said = jail.facts(m.out.text())
    assert (said["uid"], said["gid"], said["groups"]) == (f"{UID} {UID} {UID}", f"{GID} {GID} {GID}", "0")
    assert (said["env"], said["fds"], said["cwd"], said["nnp"]) == ("0", "0 1 2", "/", "1")
    assert (said["host"], said["no-file"], said["fsize"]) == ("one", "2048 2048", "-1 -1")
    check_root_files(jail.files(m.out.text()))
    status = jail.status_of(pid)
    assert [status[f"Cap{s}"] for s in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [NONE] * 5
    assert status["NoNewPrivs"] == "1"
    for kind, own in (("mnt", True), ("ipc", True), ("uts", True), ("net", False), ("pid", False), ("user", False)):
        assert (jail.namespace(pid, kind) != jail.namespace("self", kind)) == own, kind
    # One mount: the jail itself. The host's tree is not even there.
    assert len(mote.proc_lines(pid, "mountinfo")) == 1
    assert "nosuid" in mote.proc_lines(pid, "mountinfo")[0]
    m.close()
    place.cleaned("one")
    place.nothing_left()


def test_arguments(place):
    result = place.run("one", words=["report", "stop"])
    assert result.status == 7
    args = jail.facts(result.out)["args"]
    assert re.fullmatch(r"/probe --id one --start-time-us \d+ --start-time-cpu-us \d+ --parent-cpu-time-us 0", args)


@pytest.mark.parametrize("uid", [UID, 0])
@pytest.mark.parametrize("options", [(), ("--new-user-ns",), ("--new-pid-ns",)], ids=" ".join)
def test_what_it_cannot_do(place, uid, options):
    """Escapes that must fail, also for user 0, which has no rights in there."""
    m, pid = place.hold("one", "--new-net-ns", *options, uid=uid, gid=uid, words=["try"])
    tries = jail.tries(m.out.text())
    assert len(tries) >= 30
    # As user 0 without rights these are no change. In a PID namespace 1 is the probe itself, nobody's child.
    harmless = {"setuid", "setgid"} if uid == 0 else set()
    if "--new-pid-ns" in options:
        harmless |= {"kill-init"}
        assert tries["kill-parent"] == "ESRCH"
    if uid == 0:
        harmless |= {"kill-init", "kill-parent"}  # a process of the same user: what PID namespaces are for
    assert {name for name, result in tries.items() if result == "WORKED"} <= harmless
    assert jail.status_of(pid)["CapEff"] == NONE
    jail.end(pid)
    place.cleaned("one")


def test_user_0_in_a_pid_namespace_reaches_nobody(place):
    m, pid = place.hold("one", "--new-pid-ns", "--new-user-ns", uid=0, gid=0, words=["try"])
    assert m.wait() == 0
    tries = jail.tries(m.out.text())
    assert tries["kill-parent"] == "ESRCH" and tries["ptrace-init"] == "EPERM"
    jail.end(pid)


def test_user_namespace(place):
    m, pid = place.hold("one", "--new-user-ns", words=["report"])
    assert m.pid == pid
    assert jail.facts(m.out.text())["uid"] == f"{UID} {UID} {UID}"
    assert mote.proc_lines(pid, "uid_map")[0].split() == [str(UID), str(UID), "1"]
    assert mote.proc_lines(pid, "gid_map")[0].split() == [str(GID), str(GID), "1"]
    assert jail.namespace(pid, "user") != jail.namespace("self", "user")
    assert jail.status_of(pid)["CapBnd"] == NONE


def test_pid_namespace(place):
    m, pid = place.hold("one", "--new-pid-ns", words=["report"])
    assert m.wait() == 0 and pid != m.pid  # the jailer ends when the monitor has begun
    assert jail.facts(m.out.text())["pid"] == "1"
    assert jail.namespace(pid, "pid") != jail.namespace("self", "pid")
    assert int(jail.facts(m.out.text())["args"].split()[-1]) > 0  # the parent's CPU time
    jail.end(pid)


@pytest.mark.parametrize("options", [("--daemonize",), ("--daemonize", "--new-pid-ns")], ids=" ".join)
def test_daemon(place, options):
    result = place.run("one", *options)
    assert (result.status, result.out, result.err) == (0, b"", b"")
    pid = place.pid("one")
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
    fields = mote.proc_lines(pid, "stat")[0].rpartition(")")[2].split()
    assert int(fields[3]) not in (pid, result.args and os.getsid(0))  # a session of its own, which it does not lead
    assert int(fields[4]) == 0  # no terminal
    assert jail.namespace(pid, "pid").startswith("pid:")
    jail.end(pid)
    place.cleaned("one")
    place.nothing_left()


def test_descriptors(place):
    read, write = os.pipe()
    high = os.dup2(write, 900)
    m = place.start("one", words=["report"], pass_fds=(write, high))
    assert jail.facts(m.result().out)["fds"] == "0 1 2"
    m = place.start("two", "--keep-fd", high, words=["report"], pass_fds=(write, high))
    assert jail.facts(m.result().out)["fds"] == "0 1 2 900"
    os.close(read)
    os.close(write)
    os.close(high)


def test_missing_standard_descriptors(place):
    """They must not become a file of the jailer's."""
    args = [str(a) for a in place.args("one", "--daemonize", words=["hold"])]
    subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", jail.JAILER, *args], check=True, timeout=mote.TIMEOUT)
    pid = place.pid("one")
    assert sorted(mote.open_files(pid)) == [0, 1, 2]
    assert {what for what, _ in mote.open_files(pid).values()} == {"/dev/null"}
    jail.end(pid)


def test_environment(place):
    assert jail.facts(place.run("one", words=["report"], env={"SECRET": "x", "LD_PRELOAD": "/x"}).out)["env"] == "0"


def test_limits(place):
    said = jail.facts(place.run("one", "--resource-limit", "no-file=77", "--resource-limit", "fsize=4096",
                                words=["report"]).out)
    assert (said["no-file"], said["fsize"]) == ("77 77", "4096 4096")


def test_networks(place):
    host = jail.facts(place.run("host", words=["report"]).out)["net"].split()
    assert host == [name for _, name in socket.if_nameindex()]
    empty = jail.facts(place.run("new", "--new-net-ns", words=["report"]).out)["net"].split()
    assert "lo" in empty and not any(n.startswith(("eth", "en", "veth")) for n in empty)
    holder = mote.Mote("--net", "sh", "-c", "echo holding; exec sleep 1000", program="unshare")
    holder.out.wait_for(b"holding")
    path = f"/proc/{holder.pid}/ns/net"
    m, pid = place.hold("given", "--netns", path)
    assert jail.namespace(pid, "net") == os.readlink(path) != jail.namespace("self", "net")
    m.close()


def test_mounts_of_the_host_reach_the_jail_and_not_the_other_way(place):
    """Kata mounts disks into a running jail."""
    m, pid = place.hold("one")
    disk = os.path.join(place.root("one"), "disk")
    open(disk, "w", encoding="ascii").close()
    subprocess.run(["mount", "--bind", "/etc/passwd", disk], check=True)
    try:
        propagation = [line for line in mote.proc_lines(pid, "mountinfo")]
        if "shared:" in " ".join(jail.mounts()[:1]):
            assert any(line.split()[4] == "/disk" for line in propagation)
        assert not any("shared:" in line for line in propagation)
        jail.refused(place.clean("one"), "its microVM runs")
        m.close()
        jail.refused(place.clean("one"), "mounted on it")
    finally:
        subprocess.run(["umount", disk], check=True)
    place.cleaned("one")
    place.nothing_left()


def test_what_a_client_prepared_stays(place):
    """Kata makes the root and mounts a configuration before the jailer starts."""
    root = place.root("one")
    os.makedirs(root)
    subprocess.run(["mount", "--bind", root, root], check=True)
    try:
        with open(os.path.join(root, "fcConfig.json"), "w", encoding="ascii") as f:
            f.write("{}")
        result = place.run("one", "--daemonize", uid=0, gid=0)
        assert result.status == 0, result
        pid = place.pid("one")
        assert os.path.exists(f"/proc/{pid}/root/fcConfig.json")
        assert os.stat(root).st_mode & 0o7777 == 0o700
        jail.end(pid)
    finally:
        subprocess.run(["umount", root], check=True)
    place.cleaned("one")


def test_the_same_id_twice(place):
    m, pid = place.hold("one")
    before = {p: os.lstat(os.path.join(place.root("one"), p)) for p in (".", "probe", "probe.pid", "dev/kvm")}
    jail.refused(place.run("one"), f"its microVM runs, as process {pid}")
    assert m.running()
    assert before == {p: os.lstat(os.path.join(place.root("one"), p)) for p in before}
    assert place.pid("one") == pid
    m.close()
    # Once it is over the id is free again, cleaned up or not.
    m, _ = place.hold("one")
    m.close()
    place.cleaned("one")
    jail.refused(place.clean("one"), "no such jail")
    place.nothing_left()


def test_a_foreign_process_with_the_recorded_number(place):
    """A process that took the number of one that ended is not the microVM."""
    m, _ = place.hold("one")
    m.close()
    with open(os.path.join(place.base, "probe/one/.jailer"), "a", encoding="ascii") as f:
        f.write(f"pid {os.getpid()}\n")
    assert place.run("one", words=["stop"]).status == 7


def test_version_and_help():
    for option, first in (("--version", r"mote-jailer v\d+\.\d+\.\d+"), ("--help", "usage: mote-jailer .*")):
        result = mote.run(option, program=jail.JAILER)
        assert result.status == 0 and re.fullmatch(first, result.out.decode().splitlines()[0]), result


# ---- refusals before the first change ----------------------------------------------------------------------------

BAD = [
    (["--id", "a.b"], "id 'a.b'"), (["--id", ""], "id ''"), (["--id", "x" * 65], "expected 1 to 64"),
    (["--id", "../x"], "id '../x'"), (["--uid", "-1"], "'--uid': '-1'"), (["--uid", "4294967295"], "'--uid'"),
    (["--gid", "root"], "'--gid': 'root'"), (["--exec-file", "/no/such"], "exec-file /no/such"),
    (["--exec-file", "/etc/passwd"], "expected an executable file"), (["--exec-file", "/usr"], "expected an executable"),
    (["--exec-file", "/"], "exec-file /"), (["--exec-file", "/x/.."], "exec-file /x/.."),
    (["--netns", "/no/such"], "netns /no/such"), (["--netns", "/etc/passwd"], "expected a network namespace"),
    (["--netns", "/proc/self/ns/mnt"], "expected a network namespace"),
    (["--netns", "/x", "--new-net-ns"], "expected one"), (["--chroot-base-dir", ""], "expected a path"),
    (["--cgroup", "x"], "expected FILE=VALUE"), (["--cgroup", "a.b="], "expected FILE=VALUE"),
    (["--cgroup", "../memory.max=1"], "expected FILE=VALUE"), (["--cgroup", "cgroup.procs=1"], "file of a controller"),
    (["--cgroup", "nosuch.max=1"], "nosuch"), (["--cgroup", "memory.max=4096"], "bytes for the monitor"),
    (["--cgroup", "memory.limit_in_bytes=15M"], "bytes for the monitor"), (["--cgroup-version", "3"], "from 1 to 2"),
    (["--parent-cgroup", "../x"], "relative path"), (["--parent-cgroup", "/x"], "relative path"),
    (["--resource-limit", "cpu=1"], "fsize=N or no-file=N"), (["--resource-limit", "fsize=x"], "'x'"),
    (["--keep-fd", "2"], "from 3"), (["--keep-fd", "999"], "keep-fd 999"), (["--nosuch"], "--nosuch"), (["word"], "word"),
]


@pytest.mark.parametrize("options,text", BAD, ids=[" ".join(o)[:40] for o, _ in BAD])
def test_refused_before_the_first_change(place, options, text):
    words = [str(a) for a in place.args("one")]
    if options[0] in words:  # in the place of the good one
        at = words.index(options[0])
        words[at:at + 2] = options
    else:
        words[:0] = options
    jail.refused(mote.run(*words, program=jail.JAILER), text)
    assert not os.path.exists(place.base)
    place.nothing_left()


@pytest.mark.parametrize("missing", ["--id", "--exec-file", "--uid", "--gid"])
def test_required(place, missing):
    words = [str(a) for a in place.args("one")]
    at = words.index(missing)
    del words[at:at + 2]
    jail.refused(mote.run(*words, program=jail.JAILER), f"'{missing}' is required")


@pytest.mark.parametrize("mode,text", [(0o777, "writable by everybody"), (0o4755, "set-id"), (0o2755, "set-id")])
def test_executable_that_others_can_change(place, mode, text):
    os.chmod(place.exec, mode)
    jail.refused(place.run("one"), text)
    place.nothing_left()


def test_executable_with_other_names_or_owners(place):
    other = os.path.join(place.top, "other")
    os.link(place.exec, other)
    jail.refused(place.run("one"), "2 hard links")
    os.unlink(other)
    os.chown(place.exec, UID, 0)
    jail.refused(place.run("one"), f"belongs to user {UID}")
    place.nothing_left()


def test_no_kvm(place):
    script = 'mount -t tmpfs none /dev; mknod /dev/null c 1 3; chmod 666 /dev/null; "$@"'
    result = jail.in_mount_namespace(script, jail.JAILER, *place.args("one"))
    assert result.returncode == 1 and result.stderr == b"mote-jailer: /dev/kvm: No such file or directory\n", result
    place.nothing_left()
    script = 'mount --bind /dev/null /dev/kvm; "$@"'
    result = jail.in_mount_namespace(script, jail.JAILER, *place.args("one"))
    assert result.returncode == 1 and b"expected the character device 10:232" in result.stderr, result
    place.nothing_left()


# ---- file systems ------------------------------------------------------------------------------------------------

def on_tmpfs(place, options, *words):
    script = 'mkdir "$1"; mount -t tmpfs -o "$2" none "$1"; shift 2; "$@" && status=0 || status=$?; ' \
             'echo "left: $(cd "$base" && find . -mindepth 1 | wc -l)"; exit $status'
    return jail.in_mount_namespace(f'base={place.base}; {script}', place.base, f"mode=755,{options}", jail.JAILER,
                                   *place.args("one", words=words))


def test_full_disk(place):
    result = on_tmpfs(place, "size=16k")
    assert result.returncode == 1 and b"No space left on device" in result.stderr, result
    assert result.stdout == b"left: 0\n", result


def test_read_only_disk(place):
    result = on_tmpfs(place, "ro")
    assert result.returncode == 1 and b"Read-only file system" in result.stderr, result


def test_mounted_without_devices(place):
    """As /run and /tmp are on many hosts: /dev gets a file system of its own."""
    result = on_tmpfs(place, "nodev", "report", "files", "stop")
    assert result.returncode == 7, result
    check_root_files(jail.files(result.stdout))


def test_mounted_without_execution(place):
    result = on_tmpfs(place, "noexec")
    assert result.returncode == 1 and b"mounted noexec" in result.stderr, result
    assert result.stdout == b"left: 0\n", result


# ---- many --------------------------------------------------------------------------------------------------------

def test_a_hundred_at_once(place):
    """Started in parallel, ended in parallel, cleaned up in parallel: nothing is left."""
    started = [place.start(f"vm-{i}", "--new-pid-ns", "--new-net-ns", "--daemonize") for i in range(100)]
    for m in started:
        result = m.result()
        assert (result.status, result.err) == (0, b""), result
    pids = [place.pid(f"vm-{i}") for i in range(100)]
    assert len(set(pids)) == 100 and all(jail.alive(p) for p in pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        mote.wait_until(lambda p=pid: not jail.alive(p), "the end of all")
    cleaning = [mote.Mote("--clean", f"vm-{i}", "--chroot-base-dir", place.base, program=jail.JAILER)
                for i in range(100)]
    for m in cleaning:
        result = m.result()
        assert (result.status, result.err) == (0, b""), result
    place.nothing_left()


def test_the_same_id_many_times_at_once(place):
    """One gets it."""
    started = [place.start("one", "--daemonize") for _ in range(20)]
    results = [m.result() for m in started]
    assert sorted(r.status for r in results) == [0] + [1] * 19
    for r in results:
        if r.status:
            assert b"another jailer is at work" in r.err or b"its microVM runs" in r.err, r
    jail.end(place.pid("one"))
    place.cleaned("one")
    place.nothing_left()
