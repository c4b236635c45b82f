# SPDX-License-Identifier: Apache-2.0
"""The monitor itself in a jail, with guests, started as its clients start it; and jails of ordinary users."""
import errno
import json
import os
import shutil
import signal
import subprocess

import pytest

import intruder
import jail
import mote
from api import BOOT_ARGS, NOT_STARTED, RUNNING, Client, words
from jail import GID, UID

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not root")
USER = 1000
SOCK = "run/firecracker.socket"  # the default path, seen from the jail's root
ALL = ("--new-pid-ns", "--new-net-ns", "--new-user-ns")


@pytest.fixture
def place():
    """The executable is called firecracker, as Kata wants it."""
    p = jail.Place(mote.MOTE, name="firecracker")
    yield p
    p.remove()


def client(place, ident="one"):
    sock = os.path.join(place.root(ident), SOCK)
    mote.wait_until(lambda: os.path.exists(sock), "the API socket")
    return Client(sock)


def link_into(place, path, ident="one"):
    """firecracker-go-sdk: links files into the root after the jailer has started, and gives them away."""
    target = os.path.join(place.root(ident), os.path.basename(path))
    copy = os.path.join(place.top, os.path.basename(path))
    shutil.copy(path, copy)
    os.link(copy, target)
    os.chmod(copy, 0o644)
    return "/" + os.path.basename(path)


def boot(api, kernel, initrd, *command, mem=128):
    args = f"{BOOT_ARGS} MOTE_CMD={words(*command)}"
    api.put("/boot-source", {"kernel_image_path": kernel, "initrd_path": initrd, "boot_args": args})
    api.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": mem})
    api.start()


def boot_until_well(place, script):
    """Starts the jailed monitor's guest, whose script says "well" at some time, and waits for that word."""
    api = client(place)
    api.put("/serial", {"serial_out_path": "/run/console"})
    boot(api, link_into(place, mote.VMLINUX), link_into(place, mote.INITRD), "sh", "-c", script)
    api.close()
    console, pid = os.path.join(place.root("one"), "run/console"), place.pid("one")
    mote.wait_until(lambda: b"well" in open(console, "rb").read() or not jail.alive(pid), "a word from the guest")
    assert jail.alive(pid), open(console, "rb").read()
    return pid


def have_cgroup2():
    return os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def test_as_firecracker_go_sdk(place):
    cgroup = ["--cgroup", "cpuset.mems=0", "--cgroup", "cpuset.cpus=0"]
    m = place.start("one", *cgroup, words=["--api-sock", "/run/firecracker.socket"])
    api = client(place)
    assert api.get("/")["id"] == "one" and api.state() == NOT_STARTED
    assert place.pid("one") == m.pid
    assert mote.proc_lines(m.pid, "comm") == ["firecracker"]
    boot(api, link_into(place, mote.VMLINUX), link_into(place, mote.INITRD), "@echo", "up")
    m.out.wait_for(b"up")
    assert m.wait() == 0
    api.close()
    place.cleaned("one")
    place.nothing_left()


def test_as_kata(place):
    """The root is there, files are mounted into it, it starts by a configuration file, in the background."""
    root = place.root("one")
    os.makedirs(root)
    subprocess.run(["mount", "--bind", root, root], check=True)
    try:
        mounted = {"vmlinux": mote.VMLINUX, "initrd": mote.INITRD}
        for name, path in mounted.items():
            with open(os.path.join(root, name), "w", encoding="ascii"):
                pass
            subprocess.run(["mount", "--bind", path, os.path.join(root, name)], check=True)
        config = {"boot-source": {"kernel_image_path": "/vmlinux", "initrd_path": "/initrd",
                                  "boot_args": f"{BOOT_ARGS} MOTE_CMD={words('sleep', '1000')}"},
                  "machine-config": {"vcpu_count": 1, "mem_size_mib": 128, "smt": False}, "drives": [],
                  "vsock": {"guest_cid": 3, "uds_path": "/run/kata.hvsock", "vsock_id": "root"}}
        with open(os.path.join(root, "fcConfig.json"), "w", encoding="ascii") as f:
            json.dump(config, f)
        result = place.run("one", "--daemonize", uid=0, gid=0, words=["--config-file", "/fcConfig.json"])
        assert (result.status, result.err) == (0, b""), result
        api = client(place)
        mote.wait_until(lambda: api.state() == RUNNING, "a running guest")
        pid = int(open(os.path.join(root, "firecracker.pid"), encoding="ascii").read().strip())
        assert "fc_vcpu 0" in mote.thread_names(pid)
        os.chmod(os.path.join(root, "run/kata.hvsock"), 0o640)
        api.close()
        jail.end(pid, signal.SIGTERM)
    finally:
        subprocess.run(["umount", "-R", root], check=True)
    place.cleaned("one")
    place.nothing_left()


def test_with_every_wall(place):
    """All namespaces, limits, in the background; SIGTERM ends it though it is process 1 of its namespace."""
    limits = ["--cgroup", "memory.max=144M", "--cgroup", "pids.max=16"] if have_cgroup2() else []
    result = place.run("one", "--daemonize", *ALL, *limits, words=())
    assert (result.status, result.err) == (0, b""), result
    # More than half of its memory is written: the monitor has room left in a limit 16 MiB above the guest's.
    pid = boot_until_well(place, "dd if=/dev/zero of=/dev/null bs=80M count=1 && echo well; sleep 1000")
    status = jail.status_of(pid)
    assert status["CapEff"] == status["CapBnd"] == "0000000000000000" and status["Uid"].split() == [str(UID)] * 4
    assert status["NSpid"].split()[-1] == "1"
    jail.end(pid, signal.SIGTERM)
    place.cleaned("one")
    place.nothing_left()


# ---- the walls inside ------------------------------------------------------------------------------------------

@pytest.fixture
def running(place, request):
    """A jailed monitor with a guest; its process id."""
    result = place.run("one", "--daemonize", *ALL, words=request.param)
    assert (result.status, result.err) == (0, b""), result
    pid = boot_until_well(place, "echo well; sleep 1000")
    yield pid
    if jail.alive(pid):
        jail.end(pid, signal.SIGTERM)
    place.cleaned("one")
    place.nothing_left()


@pytest.mark.parametrize("running", [()], indirect=True)
@pytest.mark.parametrize("name", ["firecracker", "fc_vcpu 0"])
def test_filters_in_a_jail(running, name):
    """No /proc in there: the filters are on all the same, and a user namespace of one's own is one of the things that end it."""
    for each in ("firecracker", "fc_vcpu 0"):
        s = intruder.status(running, intruder.thread(running, each))
        assert (s["NoNewPrivs"], s["Seccomp"]) == ("1", "2")
    call = (intruder.UNSHARE, 0x10000000)  # CLONE_NEWUSER
    assert intruder.inject(intruder.thread(running, name), *call) == f"signal {signal.SIGSYS}"
    mote.wait_until(lambda: not jail.alive(running), "the end of the monitor")


@pytest.mark.parametrize("running", [("--no-seccomp",)], indirect=True)
def test_files_in_a_jail(running):
    """Landlock, without the filters: what lies beside it in the jail is out of reach."""
    if not intruder.has_landlock():
        pytest.skip("no Landlock in this kernel")
    for each in ("firecracker", "fc_vcpu 0"):
        tid = intruder.thread(running, each)
        assert intruder.inject(tid, intruder.OPEN, "s:/run/console", os.O_RDONLY) == -errno.EACCES
        assert intruder.inject(tid, intruder.UNLINK, "s:/run/console") == -errno.EACCES
        assert intruder.inject(tid, intruder.EXECVE, "s:/firecracker", 0, 0) == -errno.EACCES


# ---- ordinary users ----------------------------------------------------------------------------------------------

@pytest.fixture
def kvm_for_all():
    mode = os.stat("/dev/kvm").st_mode & 0o7777
    os.chmod("/dev/kvm", 0o666)
    yield
    os.chmod("/dev/kvm", mode)


@pytest.fixture
def delegated():
    """A cgroup that belongs to the user, whose processes are in a child of it."""
    if not have_cgroup2():
        pytest.skip("no cgroup version 2 on /sys/fs/cgroup")
    top = os.path.join(jail.CGROUP, "user")
    shell = os.path.join(top, "shell")
    os.makedirs(shell)
    for path in (top, shell):
        os.chown(path, USER, USER)
        for file in ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(os.path.join(path, file), USER, USER)
    yield shell
    os.rmdir(shell)
    with open(os.path.join(top, "cgroup.subtree_control"), "w", encoding="ascii") as f:
        f.write("")
    os.rmdir(top)


def as_user(cgroup=None):
    """Words that make what follows run as an ordinary user."""
    enter = f"echo $$ >{cgroup}/cgroup.procs; " if cgroup else ""
    return ["sh", "-c", f'{enter}exec setpriv --reuid {USER} --regid {USER} --clear-groups "$@"', "sh"]


@pytest.fixture
def theirs():
    p = jail.Place()
    os.mkdir(p.base)
    os.chown(p.base, USER, USER)
    yield p
    p.remove()


def test_an_ordinary_user(theirs, kvm_for_all, delegated):
    """No set-uid program, no root: user, mount, PID and network namespaces, limits in a delegated cgroup."""
    m, pid = theirs.hold("one", "--cgroup", "pids.max=20", "--cgroup", "memory.max=64M", uid=None,
                         words=["report", "files", "try", "forks"], prefix=as_user(delegated))
    assert m.wait() == 0
    text = m.out.text()
    said = jail.facts(text)
    assert (said["uid"], said["gid"], said["pid"], said["nnp"]) == (f"{USER} {USER} {USER}",) * 2 + ("1", "1")
    assert (said["env"], said["fds"], said["cwd"], said["host"]) == ("0", "0 1 2", "/", "one")
    assert "eth0" not in said["net"] and said["forks"] == "19 EAGAIN"
    assert {name for name, r in jail.tries(text).items() if r == "WORKED"} <= {"kill-init"}  # which is itself
    found = jail.files(text)
    assert found["/dev/kvm"][2] == "10:232" and "/etc" not in found
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
        assert jail.namespace(pid, kind) != jail.namespace("self", kind), kind
    status = jail.status_of(pid)
    assert {status[f"Cap{s}"] for s in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0000000000000000"}
    assert [line for line in mote.proc_lines(pid, "cgroup")] == ["0::/user/probe/one"]
    jail.refused(theirs.run("one", uid=None, prefix=as_user(delegated)), "its microVM runs")
    jail.refused(theirs.clean("one", prefix=as_user(delegated)), "its microVM runs")
    jail.end(pid)
    theirs.cleaned("one", prefix=as_user(delegated))
    assert os.listdir(theirs.base) == [] and not os.path.exists(os.path.join(jail.CGROUP, "user/probe"))


@pytest.mark.parametrize("step", jail.STEPS)
def test_an_ordinary_user_s_failures_undo(theirs, kvm_for_all, delegated, step):
    result = theirs.run("one", "--cgroup", "pids.max=20", uid=None, prefix=["env", f"FAIL={step}", *as_user(delegated)],
                        program=jail.STOPS)
    jail.refused(result, f"step {step}")
    assert os.listdir(theirs.base) == [] and not os.path.exists(os.path.join(jail.CGROUP, "user/probe"))


def test_what_an_ordinary_user_is_refused(theirs, kvm_for_all):
    def words(*options, **kwargs):
        return theirs.run("one", *options, uid=None, prefix=as_user(), **kwargs)
    jail.refused(theirs.run("one", uid=0, gid=0, prefix=as_user()), "expected the caller's own")
    jail.refused(words("--netns", f"/proc/{os.getpid()}/ns/net"), "netns")
    jail.refused(words("--resource-limit", "no-file=99999999999"), "no-file=99999999999")
    os.chown(theirs.base, 0, 0)
    jail.refused(words(), "Permission denied")
    os.chown(theirs.base, USER, USER)
    if have_cgroup2():
        jail.refused(words("--cgroup", "pids.max=20"), "expected one that is delegated to the user")
    os.chmod("/dev/kvm", 0o600)
    jail.refused(words(), f"/dev/kvm: opening it as user {USER}: Permission denied")
    assert os.listdir(theirs.base) == []


def test_an_ordinary_user_s_guest(place, kvm_for_all, delegated):
    os.mkdir(place.base)
    os.chown(place.base, USER, USER)
    m = place.start("one", "--daemonize", "--cgroup", "memory.max=144M", uid=None, words=(), prefix=as_user(delegated))
    assert m.result().status == 0
    jail.end(boot_until_well(place, "echo well; sleep 1000"), signal.SIGTERM)
    place.cleaned("one", prefix=as_user(delegated))
    assert os.listdir(place.base) == []
