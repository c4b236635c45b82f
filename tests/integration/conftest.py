# SPDX-License-Identifier: Apache-2.0
"""Fixtures, and one PASS, FAIL or SKIP line a test for tests/tally (where MOTE_RESULTS says)."""
import fcntl
import os
import subprocess
import sys

import pytest
from _pytest.runner import runtestprotocol

import mote

RESULTS = os.environ.get("MOTE_RESULTS")


KVM_CREATE_VM = 0xae01


@pytest.fixture(scope="session", autouse=True)
def one_vm_stays():
    """A VM that exists as long as the tests run. The testbed's kernel patches its own code when the
    first VM comes and the last one goes, which its emulated CPUs do not always notice: they hung
    once in some 50 VMs without this, never in 240 with it."""
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield
        return
    vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
    yield
    os.close(vm)
    os.close(kvm)


class Recorder:
    """Writes each test's line when it is known, so that a run that is cut off has left them."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.done = set()

    def write(self, word, report, reason=""):
        module, _, test = report.nodeid.partition("::")
        name = f"integration/{os.path.basename(module)[:-3]}/{test}".replace(" ", "_")
        # Once each: a test that passed and whose fixtures failed afterwards has both lines.
        if (word, name) in self.done:
            return
        self.done.add((word, name))
        self.file.write(f"{word} {name}{' ' + reason if reason else ''}\n")
        self.file.flush()

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.write("FAIL", report, f"in {report.when}" if report.when != "call" else "")
        elif report.skipped:
            self.write("SKIP", report, report.longrepr[2].partition("Skipped: ")[2] or "no reason")
        elif report.when == "call":
            self.write("PASS", report)

    def pytest_collectreport(self, report):
        if report.failed:
            self.file.write(f"FAIL integration/{report.nodeid or 'collection'} cannot be loaded\n")
            self.file.flush()


def pytest_configure(config):
    if RESULTS:
        config.pluginmanager.register(Recorder(RESULTS), "mote-recorder")


def pytest_make_parametrize_id(val):
    """A test's name is a word of a line, also when its parameter is 50 KB of brackets."""
    if isinstance(val, (bytes, str)):
        return ascii(val).strip("b'\"").replace(" ", "_")[:40]
    return None


def pytest_runtest_protocol(item, nextitem):
    """In the testbed a test that failed is run again, at most twice, and that is said (AGAIN): emulated CPUs are still
    young in what they were mended for (tests/testbed/README.md), and a busy machine is slow. What fails thrice is
    ours. With real KVM the first result counts."""
    if not os.environ.get("MOTE_TESTBED"):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for tries in (1, 2):
        failed = [r for r in reports if r.failed]
        if not failed:
            break
        print(f"\nAGAIN {item.nodeid}: failed in the testbed, try {tries} of 3:\n"
              f"{failed[0].longreprtext}", file=sys.__stdout__, flush=True)
        item._initrequest()  # fresh fixtures
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(autouse=True)
def nothing_left():
    """Ends every monitor that a test started and left."""
    yield
    for m in list(mote.Mote.started):
        m.close()


@pytest.fixture
def rootfs(tmp_path):
    """A root disk of the test's own, which it may write to."""
    path = tmp_path / "rootfs.ext4"
    subprocess.run(["cp", "--sparse=always", mote.ROOTFS, path], check=True)
    return str(path)
