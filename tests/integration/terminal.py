# SPDX-License-Identifier: Apache-2.0
"""The monitor as a job on a terminal, the way a shell starts one.

The terminal's settings are lost when its session leader ends, so the monitor must not be it: a small
process of ours leads the session, starts the monitor in a process group of its own, in front or in
the background, and tells how it ended.
"""
import fcntl
import os
import pty
import signal
import struct
import termios
import tty

from mote import MOTE, TIMEOUT, Stream, wait_until

IFLAG, OFLAG, CFLAG, LFLAG = range(4)


class Terminal:
    """A pseudo-terminal with `mote ARGS` on it. .out is what the screen would show.

    .pid is the monitor's. `stdout`: a descriptor to be its standard output instead of the terminal.
    With read=False nobody reads the screen.
    """

    def __init__(self, *args, prefix=(), foreground=True, stdout=None, read=True, rows=33, cols=99):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        # Not the defaults, so that restoring something else would show.
        attrs = termios.tcgetattr(self.slave)
        attrs[LFLAG] &= ~termios.ECHOK
        attrs[tty.CC][termios.VKILL] = b"\x18"
        termios.tcsetattr(self.slave, termios.TCSANOW, attrs)
        self.before = self.attrs()
        self.report, report = os.pipe()
        hold, self.hold = os.pipe()
        words = [os.fsencode(str(a)) for a in (*prefix, MOTE, *args)]
        self.leader = os.fork()
        if self.leader == 0:
            try:
                os.close(self.master)
                os.close(self.hold)
                lead(self.slave, report, hold, stdout, words, foreground)
            finally:
                os._exit(99)
        os.close(report)
        os.close(hold)
        self.reports = Stream(self.report)
        self.pid = int(self.reports.wait_for(b"\n").string.split()[0])
        self.out = Stream(os.dup(self.master)) if read else None

    def attrs(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.attrs()[LFLAG] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def wait_raw(self):
        wait_until(self.is_raw, "raw mode")

    def restored(self):
        return self.attrs() == self.before

    def type(self, data):
        os.write(self.master, data)

    def signal(self, signum):
        os.kill(self.pid, signum)

    def state(self):
        """The monitor's state letter: T is stopped."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0]

    def wait(self, timeout=None):
        """The exit status; -N when signal N ended it."""
        self.reports.wait_for(b"ended", TIMEOUT if timeout is None else timeout)
        return os.waitstatus_to_exitcode(int(self.reports.text().split()[2]))

    def hang_up(self):
        """Closes the window (with read=False only): the leader gets SIGHUP and passes it on."""
        os.close(self.master)
        self.master = -1

    def close(self):
        for pid in (self.pid, self.leader):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.close(self.hold)
        os.waitpid(self.leader, 0)
        os.close(self.slave)
        if self.master >= 0:
            os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def lead(terminal, report, hold, stdout, words, foreground):
    """The session leader's part."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    # The monitor starts when its group is in front, not before.
    wait_fd, go_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(go_fd)
        os.read(wait_fd, 1)
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it
        for fd in (0, 1, 2):
            os.dup2(stdout if stdout is not None and fd == 1 else terminal, fd)
        os.closerange(3, 256)
        os.execve(words[0], words, dict(os.environ, TERM="vt102"))
    os.close(wait_fd)
    if stdout is not None:
        os.close(stdout)
    try:
        os.setpgid(child, child)
    except OSError:
        pass  # it was quicker
    if foreground:
        os.tcsetpgrp(terminal, child)
    # As shells do.
    signal.signal(signal.SIGHUP, lambda *_: os.killpg(child, signal.SIGHUP))
    os.write(report, b"%d\n" % child)
    os.close(go_fd)
    status = os.waitpid(child, 0)[1]
    os.write(report, b"ended %d ended\n" % status)
    os.read(hold, 1)
