# SPDX-License-Identifier: Apache-2.0
"""Jails for tests: mote-jailer with a probe or the monitor in it, and what both leave on the host.

Everything is below a folder of its own, because a jail's folders must be root's and pytest's are not always.
"""
import os
import shutil
import signal
import subprocess
import tempfile

import mote

JAILER = os.path.join(mote.BUILD, "mote-jailer")
STOPS = mote.guest_file("jailer-stops")
PROBE = mote.guest_file("probe")
UID, GID = 12345, 12346
STEPS = ("folder", "root", "executable", "cgroups", "limits", "namespaces", "devices", "enter", "detach", "join", "pid",
         "give", "rights", "exec")
CGROUP = "/sys/fs/cgroup"


def cgroup_folders():
    """All cgroups of all hierarchies."""
    return {top for top, _, _ in os.walk(CGROUP)}


def mounts():
    return open("/proc/self/mountinfo", encoding="utf-8").read().splitlines()


class Place:
    """Where jails are made: base folder, executable, and what was there before."""

    def __init__(self, exec_file=PROBE, name=None):
        self.top = tempfile.mkdtemp(prefix="jail.", dir="/var/tmp")
        os.chmod(self.top, 0o755)
        self.base = os.path.join(self.top, "base")
        self.exec = os.path.join(self.top, name or os.path.basename(exec_file))
        shutil.copy(exec_file, self.exec)
        os.chmod(self.exec, 0o755)
        self.name = os.path.basename(self.exec)
        self.cgroups = cgroup_folders()
        self.mounts = mounts()

    def args(self, ident, *options, uid=UID, gid=GID, words=()):
        ids = ["--uid", uid, "--gid", gid] if uid is not None else []
        return ["--id", ident, "--exec-file", self.exec, *ids, "--chroot-base-dir", self.base, *options, "--", *words]

    def start(self, ident, *options, words=("hold",), uid=UID, gid=GID, program=JAILER, **popen):
        """Runs the jailer; a mote.Mote, whose process is the monitor's unless it was detached."""
        return mote.Mote(*self.args(ident, *options, uid=uid, gid=gid, words=words), program=program, **popen)

    def run(self, ident, *options, **kwargs):
        return self.start(ident, *options, **kwargs).result()

    def hold(self, ident, *options, **kwargs):
        """A probe that holds, with its process id as the host knows it."""
        words = kwargs.pop("words", ())
        m = self.start(ident, *options, words=(*words, "hold"), **kwargs)
        m.out.wait_for(b"holding\n")
        return m, self.pid(ident)

    def pid(self, ident):
        with open(os.path.join(self.root(ident), f"{self.name}.pid"), encoding="ascii") as f:
            text = f.read()
        assert text == str(int(text))
        return int(text)

    def root(self, ident):
        return os.path.join(self.base, self.name, ident, "root")

    def cgroup(self, ident, parent=None):
        return os.path.join(CGROUP, parent or self.name, ident)

    def clean(self, ident, **popen):
        return mote.Mote("--clean", ident, "--chroot-base-dir", self.base, program=JAILER, **popen).result()

    def cleaned(self, ident, **popen):
        result = self.clean(ident, **popen)
        assert result.status == 0 and result.err == b"", result

    def nothing_left(self):
        """No file, no cgroup and no mount that was not there before."""
        assert not os.path.exists(self.base) or os.listdir(self.base) == [], list(os.walk(self.base))
        assert cgroup_folders() - self.cgroups == set()
        assert mounts() == self.mounts

    def remove(self):
        """What a test did not end and clean up, too."""
        folder = os.path.join(self.base, self.name)
        for ident in os.listdir(folder) if os.path.isdir(folder) else ():
            try:
                pid = self.pid(ident)
                if os.path.samefile(f"/proc/{pid}/root", self.root(ident)):
                    end(pid)
            except (OSError, ValueError):
                pass
        for folder in sorted(cgroup_folders() - self.cgroups, reverse=True):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # of a process that another fixture ends
        shutil.rmtree(self.top, ignore_errors=True)


def refused(result, text):
    """One line that says `text`, and status 1. That there is no cgroup for who asked for none is said before."""
    lines = [line for line in result.err.decode().splitlines() if "no cgroup of its own" not in line]
    assert result.status == 1 and len(lines) == 1 and lines[0].startswith("mote-jailer: "), result
    assert text in lines[0], result
    assert len(lines[0]) < 330
    return lines[0]


def facts(text):
    """The probe's report: word -> the rest of its line."""
    lines = text.decode().splitlines()
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines if not line.startswith(("try", "file"))}


def tries(text):
    return {line.split()[1]: line.split()[2] for line in text.decode().splitlines() if line.startswith("try ")}


def files(text):
    """The probe's list of files: path -> (mode in octal, owner, device)."""
    found = {}
    for line in text.decode().splitlines():
        if line.startswith("file "):
            _, mode, owner, device, path = line.split(" ", 4)
            found[path] = (mode, owner, device)
    return found


def status_of(pid):
    return dict(line.split(":\t", 1) for line in mote.proc_lines(pid, "status") if ":\t" in line)


def namespace(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def end(pid, signum=signal.SIGKILL):
    """Ends a process that is no child of ours, and waits until it is gone."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return
    mote.wait_until(lambda: not alive(pid), f"the end of process {pid}")


def alive(pid):
    try:
        return mote.proc_lines(pid, "stat")[0].rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def in_mount_namespace(script, *args):
    """Runs a shell script in mounts of its own, as root; what it mounts nobody else sees."""
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh",
                           *map(str, args)], capture_output=True, timeout=mote.TIMEOUT, check=False)
