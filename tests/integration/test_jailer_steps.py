# SPDX-License-Identifier: Apache-2.0
"""The jailer interrupted: it fails at each step, it is killed at each step, and what others put in its way. No guest.

The jailer of these tests is built with JAILER_STOPS: it waits before the step that STOP names, or fails in the
one that FAIL names.
"""
import os
import signal

import pytest

import jail
import mote
from jail import GID, UID

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not root")
MODES = [(), ("--daemonize", "--new-pid-ns", "--new-net-ns")]


@pytest.fixture
def place():
    p = jail.Place()
    yield p
    p.remove()


# ---- every step fails --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", MODES, ids=" ".join)
@pytest.mark.parametrize("step", jail.STEPS)
def test_a_failing_step_undoes_all(place, step, options):
    result = place.run("one", *options, program=jail.STOPS, env={"FAIL": step})
    jail.refused(result, f"step {step}")
    place.nothing_left()
    assert not os.path.exists(place.base)


@pytest.mark.parametrize("step", jail.STEPS)
def test_a_failing_step_leaves_what_was_there(place, step):
    """A root that a client made, with its owner, mode and files; the base; another jail."""
    root = place.root("one")
    os.makedirs(os.path.join(root, "run"))
    os.chown(root, UID, GID)
    os.chmod(root, 0o750)
    with open(os.path.join(root, "kernel"), "w", encoding="ascii"):
        pass
    m, _ = place.hold("two")
    jail.refused(place.run("one", program=jail.STOPS, env={"FAIL": step}), f"step {step}")
    st = os.stat(root)
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (UID, GID, 0o750)
    assert sorted(os.listdir(root)) == ["kernel", "run"]
    assert m.running() and os.path.exists(place.root("two"))
    m.close()
    place.cleaned("two")


def test_what_cannot_be_executed(place):
    """The very last step, by itself: all rights are gone by then, and all is undone all the same."""
    with open(place.exec, "wb") as f:
        f.write(b"\x7fELF and no more")
    for options in [*MODES, ("--daemonize",), ("--new-pid-ns",)]:
        jail.refused(place.run("one", *options), "executing it in the jail: Exec format error")
        place.nothing_left()


def test_what_cannot_be_executed_in_a_user_namespace(place):
    """There nobody is root any more, and the message says what is left to do."""
    with open(place.exec, "wb") as f:
        f.write(b"\x7fELF and no more")
    jail.refused(place.run("one", "--new-user-ns"), "--clean removes what was made): Exec format error")
    place.cleaned("one")
    place.nothing_left()


# ---- killed at every step ----------------------------------------------------------------------------------------

def stopped_at(place, step, options):
    """The jailer, once one of its processes waits before this step."""
    m = place.start("one", *options, program=jail.STOPS, env={"STOP": step})
    m.err.wait_for(b"stopped\n")
    return m


def jailers():
    pids = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mote.proc_lines(pid, "comm") == ["jailer-stops"]:
                pids.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return pids


@pytest.mark.parametrize("options", MODES, ids=" ".join)
@pytest.mark.parametrize("step", jail.STEPS)
def test_killed_at_a_step(place, step, options):
    """What is left does not disturb the next start, which --clean ends without a trace."""
    m = stopped_at(place, step, options)
    for pid in jailers():
        jail.end(pid)
    m.close()
    m, _ = place.hold("one", *(o for o in options if o != "--daemonize"))
    jail.end(place.pid("one"))
    m.close()
    place.cleaned("one")
    place.nothing_left()


@pytest.mark.parametrize("step", ["root", "namespaces", "detach", "exec"])
def test_cleaned_after_a_kill(place, step):
    m = stopped_at(place, step, ("--new-pid-ns",))
    jail.refused(place.clean("one"), "another jailer is at work")
    jail.refused(place.run("one"), "another jailer is at work")
    for pid in jailers():
        jail.end(pid)
    m.close()
    place.cleaned("one")
    place.nothing_left()


# ---- what others put in the way ----------------------------------------------------------------------------------

def victim(place):
    """A folder and a file of root's that nothing may change."""
    folder = os.path.join(place.top, "victim")
    os.mkdir(folder, 0o755)
    with open(os.path.join(folder, "file"), "w", encoding="ascii") as f:
        f.write("precious")
    os.chmod(os.path.join(folder, "file"), 0o600)
    return folder


def untouched(folder):
    for path in (folder, os.path.join(folder, "file")):
        assert os.stat(path).st_uid == 0
    assert os.listdir(folder) == ["file"]
    assert os.stat(folder).st_mode & 0o7777 == 0o755
    with open(os.path.join(folder, "file"), encoding="ascii") as f:
        assert f.read() == "precious"


def make(kind, target, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == "symlink":
        os.symlink(target, path)
    else:
        os.link(os.path.join(target, "file"), path)


# What is replaced, and by what. A folder cannot be a hard link.
TRAPS = [("symlink", ""), ("symlink", "one"), ("symlink", "one/root"), ("symlink", "one/root/dev"),
         ("symlink", "one/root/dev/net"), ("symlink", "one/root/run"), ("symlink", "one/root/probe"),
         ("symlink", "one/root/probe.pid"), ("symlink", "one/.jailer"), ("hardlink", "one/.jailer"),
         ("hardlink", "one/root/probe"), ("hardlink", "one/root/probe.pid"), ("hardlink", "one/root/dev"),
         ("hardlink", "one/root/run")]


@pytest.mark.parametrize("kind,what", TRAPS)
def test_links_in_the_jail(place, kind, what):
    """A jail that ran before belonged to somebody hostile, who left links to what is root's."""
    folder = victim(place)
    path = os.path.join(place.base, place.name, what).rstrip("/")
    make(kind, folder, path)
    result = place.run("one")
    jail.refused(result, "")
    untouched(folder)
    assert os.path.lexists(path)


@pytest.mark.parametrize("node", ["dev/kvm", "dev/net/tun", "dev/urandom"])
@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_links_in_the_place_of_device_nodes(place, kind, node):
    """These are the jail's own names: what is there goes, whatever it leads to."""
    folder = victim(place)
    make(kind, folder, os.path.join(place.root("one"), node))
    result = place.run("one", words=["stop"])
    assert result.status == 7, result
    untouched(folder)
    st = os.lstat(os.path.join(place.root("one"), node))
    assert st.st_rdev != 0 and st.st_uid == UID


def test_folders_of_the_jail_are_nobodys_while_they_are_made(place):
    """Between the steps the jail's user cannot exchange what is about to be given to it."""
    m = stopped_at(place, "give", ())
    for path in ("", "dev", "dev/net", "run"):
        st = os.stat(os.path.join(place.root("one"), path))
        assert (st.st_uid, st.st_mode & 0o7777) == (0, 0o700), path
    m.signal(signal.SIGUSR1)
    m.out.wait_for(b"holding")
    for path in ("", "dev", "dev/net", "run"):
        assert os.stat(os.path.join(place.root("one"), path)).st_uid == UID


def test_base_through_a_strangers_folder(place):
    """Who can rename a folder on the way decides where root makes files."""
    theirs = os.path.join(place.top, "theirs")
    os.mkdir(theirs)
    place.base = os.path.join(theirs, "base")
    os.mkdir(place.base)
    os.chown(theirs, UID, GID)
    jail.refused(place.run("one"), f"{theirs}: belongs to user {UID}")
    os.chown(theirs, 0, 0)
    os.chmod(theirs, 0o777)
    jail.refused(place.run("one"), "not everybody may write to")
    assert os.listdir(place.base) == []
    os.chmod(theirs, 0o1777)  # as /tmp
    assert place.run("one", words=["stop"]).status == 7


def test_base_through_links(place):
    """Root's own are followed, as in /var/run; a stranger's are not."""
    real = os.path.join(place.top, "real")
    os.mkdir(real)
    link = place.base
    os.symlink("real/../real", link)
    assert place.run("one", words=["stop"]).status == 7
    assert os.listdir(real) == [place.name]
    place.cleaned("one")
    os.lchown(link, UID, GID)
    jail.refused(place.run("one"), f"a symbolic link of user {UID}")
    jail.refused(place.clean("one"), f"a symbolic link of user {UID}")
    assert os.listdir(real) == []


def test_relative_base(place):
    os.mkdir(os.path.join(place.top, "here"))
    place.base = "base/below"
    result = place.run("one", words=["stop"], cwd=os.path.join(place.top, "here"))
    assert result.status == 7, result
    assert os.path.isdir(os.path.join(place.top, "here/base/below", place.name, "one/root"))


def test_clean_follows_no_links_and_no_mounts(place):
    folder = victim(place)
    m, _ = place.hold("one")
    m.close()
    root = place.root("one")
    os.symlink(folder, os.path.join(root, "link"))
    os.link(os.path.join(folder, "file"), os.path.join(root, "hard"))
    deep = root
    for i in range(100):
        deep = os.path.join(deep, f"d{i}")
        os.mkdir(deep, 0o000)
    place.cleaned("one")
    untouched(folder)
    place.nothing_left()


def test_clean_of_a_record_that_lies(place):
    """Only cgroups of this id are removed, and nothing that is none."""
    folder = os.path.join(place.top, "one")
    os.mkdir(folder)
    m, _ = place.hold("one")
    m.close()
    with open(os.path.join(place.base, place.name, "one/.jailer"), "a", encoding="ascii") as f:
        f.write(f"cgroup {folder}\ncgroup {place.top}/empty\nnonsense\ncgroup\npid x\ncgroup {jail.CGROUP}/one")
    place.cleaned("one")
    assert os.path.isdir(folder)
    os.rmdir(folder)
    place.nothing_left()
