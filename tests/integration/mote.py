# SPDX-License-Identifier: Apache-2.0
"""Starting the monitor, watching it and ending it: what the tests stand on.

A Mote is one process in a session of its own. Its output is read all the time, standard output and
standard error apart, unless the test brings descriptors of its own. Whatever a test started and did
not see end is killed by Mote.close(), by its own process group and nothing wider.
"""
import os
import re
import signal
import subprocess
import threading
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("MOTE_BUILD", os.path.join(REPO, "build")))
MOTE = os.path.join(BUILD, "mote")
GUEST = os.path.join(BUILD, "guest")
FIXTURES = os.path.join(BUILD, "tests", "integration")
VMLINUX = os.path.join(GUEST, "vmlinux")
INITRD = os.path.join(GUEST, "initrd.cpio")
INITRD_MIN = os.path.join(GUEST, "initrd-min.cpio")
ROOTFS = os.path.join(GUEST, "rootfs.ext4")
# An emulated machine that others keep busy is a hundred times slower than a real one.
TIMEOUT = float(os.environ.get("MOTE_TEST_TIMEOUT", "60"))

# Exit statuses of `mote run` (vmm/run.h).
TRIPLE_FAULT, NO_STATUS, FAILED, BAD_CONFIG, BAD_ARGUMENT = 122, 123, 125, 152, 153


def guest_file(name):
    """A file that integration.mk builds for the tests."""
    return os.path.join(FIXTURES, name)


class Stream:
    """What came from a descriptor until now, read on a thread of its own."""

    def __init__(self, fd):
        self.fd = fd
        self.data = bytearray()
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:  # a terminal without any process left
                piece = b""
            with self.changed:
                self.data += piece
                self.ended = not piece
                self.changed.notify_all()
            if not piece:
                os.close(self.fd)
                return

    def wait_for(self, what, timeout=None, start=0):
        """Waits for the bytes or compiled pattern `what`; returns the match. Fails when it is late."""
        pattern = what if isinstance(what, re.Pattern) else re.compile(re.escape(what))
        deadline = time.monotonic() + (TIMEOUT if timeout is None else timeout)
        with self.changed:
            while True:
                match = pattern.search(bytes(self.data), start)
                if match:
                    return match
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    why = "the stream ended" if self.ended else "time is up"
                    raise AssertionError(f"{why} before {pattern.pattern!r}; got {show(self.data)}")
                self.changed.wait(left)

    def text(self):
        with self.changed:
            return bytes(self.data)

    def finish(self, timeout):
        """All of it, once its last writer is gone."""
        self.thread.join(timeout)
        if self.thread.is_alive():
            raise AssertionError(f"output does not end: somebody holds it; got {show(self.data)}")
        return bytes(self.data)


def show(data, limit=3000):
    text = bytes(data[-limit:]).decode(errors="replace")
    return f"\n---\n{'[...]' if len(data) > limit else ''}{text}\n---"


class Mote:
    """One run of the monitor, as `mote ARGS`.

    `prefix` comes before it (setpriv, unshare). `stdout` and `stderr` may be descriptors, then
    .out or .err stays None and reading is the test's business.
    """

    started = []

    def __init__(self, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, prefix=(), program=MOTE, **popen):
        words = [a if isinstance(a, bytes) else str(a) for a in args]
        self.args = [*prefix, program, *words]
        self.proc = subprocess.Popen(self.args, stdin=stdin, stdout=stdout, stderr=stderr,
                                     start_new_session=True, **popen)
        self.pid = self.proc.pid
        self.out = Stream(os.dup(self.proc.stdout.fileno())) if self.proc.stdout else None
        self.err = Stream(os.dup(self.proc.stderr.fileno())) if self.proc.stderr else None
        for pipe in (self.proc.stdout, self.proc.stderr):
            if pipe:
                pipe.close()
        Mote.started.append(self)

    def send(self, data):
        os.write(self.proc.stdin.fileno(), data)

    def close_stdin(self):
        self.proc.stdin.close()

    def signal(self, signum):
        self.proc.send_signal(signum)

    def running(self):
        return self.proc.poll() is None

    def wait(self, timeout=None):
        """The exit status; -N when signal N ended it."""
        try:
            return self.proc.wait(TIMEOUT if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            said = [show(s.data) for s in (self.out, self.err) if s]
            self.close()
            raise AssertionError(f"{self.args} did not end; it said {' and '.join(said)}") from None

    def result(self, timeout=None):
        status = self.wait(timeout)
        return Result(self.args, status, self.out.finish(10) if self.out else None,
                      self.err.finish(10) if self.err else None)

    def close(self):
        """Ends what is left of it, and forgets it."""
        if self in Mote.started:
            Mote.started.remove(self)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.proc.wait()
        if self.proc.stdin and not self.proc.stdin.closed:
            try:
                self.proc.stdin.close()
            except BrokenPipeError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Result:
    """How a run ended: .status, .out, .err (bytes), .messages (the monitor's own lines, text)."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err

    @property
    def messages(self):
        return [line for line in self.err.decode(errors="replace").splitlines()
                if line.startswith("mote: ")]

    def __repr__(self):
        return (f"{self.args} -> {self.status}; stdout {show(self.out or b'')}"
                f" stderr {show(self.err or b'')}")


def run(*args, input=None, timeout=None, **kwargs):
    """Runs `mote ARGS` to its end. `input` is given on standard input through a pipe."""
    if input is None:
        return Mote(*args, **kwargs).result(timeout)
    m = Mote(*args, stdin=subprocess.PIPE, **kwargs)

    def feed():
        try:
            with m.proc.stdin as pipe:
                pipe.write(input)
        except BrokenPipeError:
            pass  # it did not want all of it, and the test looks at what it did

    threading.Thread(target=feed, daemon=True).start()
    return m.result(timeout)


def expect(result, status, out=None, messages=()):
    """The whole of what the outside can see of a run: status, output, the monitor's own lines."""
    assert result.status == status, result
    if out is not None:
        assert result.out == out, result
    assert result.messages == [f"mote: {m}" for m in messages], result
    return result


def session_processes(sid):
    """The processes of a session that are still there, zombies not counted."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == sid and fields[0] not in "ZX":
            found.append(int(pid))
    return found


def our_init(*args):
    """Runs one of init's verbs on this side: it knows the pattern that it writes and checks."""
    return subprocess.run([os.path.join(GUEST, "init"), *map(str, args)], capture_output=True,
                          timeout=TIMEOUT, check=False)


def wait_until(condition, what, timeout=None):
    """Asks again and again until condition() is true; fails, naming `what`, when that is late."""
    deadline = time.monotonic() + (TIMEOUT if timeout is None else timeout)
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


def proc_lines(pid, name):
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as f:
        return f.read().splitlines()


def thread_names(pid):
    names = []
    for task in os.listdir(f"/proc/{pid}/task"):
        names += proc_lines(pid, f"task/{task}/comm")
    return sorted(names)


def open_files(pid):
    """Descriptor -> (what it is, its flags)."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        flags = [line.split()[1] for line in proc_lines(pid, f"fdinfo/{fd}")
                 if line.startswith("flags:")]
        found[int(fd)] = (os.readlink(f"/proc/{pid}/fd/{fd}"), int(flags[0], 8))
    return found
