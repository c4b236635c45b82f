# SPDX-License-Identifier: Apache-2.0
"""The ACPI tables in the eyes of ACPICA, whose interpreter is also Linux's.

build/tests/unit/dump_acpi writes the tables of a machine into files. iasl must read each, and what
it makes of them must compile again without a remark, to the same table.
"""
import os
import re
import shutil
import subprocess

import pytest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("MOTE_BUILD", os.path.join(REPO, "build"))
DUMP = os.path.join(BUILD, "tests", "unit", "dump_acpi")
HEADER_LEN = 36
CLEAN = re.compile(r"Compilation successful\. 0 Errors, 0 Warnings, 0 Remarks")
# vCPUs, virtio devices, second serial port: the smallest machine, a usual one, the largest
MACHINES = [(1, 0, 0), (2, 3, 1), (32, 18, 1)]

pytestmark = pytest.mark.skipif(not shutil.which("iasl"), reason="no iasl (Debian: acpica-tools)")


def iasl(cwd, *args):
    """iasl's words; it must not fail."""
    done = subprocess.run(["iasl", *args], cwd=cwd, capture_output=True, text=True, timeout=60)
    words = done.stdout + done.stderr
    assert done.returncode == 0, words
    return words


@pytest.fixture(params=MACHINES, ids=lambda m: f"{m[0]}cpu-{m[1]}virtio-{m[2]}com2")
def machine(request, tmp_path):
    """(machine, folder with SIGNATURE.aml and SIGNATURE.dsl for each table)"""
    words = subprocess.run([DUMP, str(tmp_path), *map(str, request.param)], check=True,
                           capture_output=True, text=True, timeout=60).stdout
    tables = [line.split()[0] for line in words.splitlines()]
    assert tables == ["XSDT", "FACP", "APIC", "DSDT"]
    for table in tables:
        said = iasl(tmp_path, "-d", f"{table}.aml")
        assert not re.search(r"(?i)error|warning|invalid", said), said
    return request.param, tmp_path


def body(dsl):
    """A disassembly without the comment on top, which has file names and sizes."""
    return dsl.read_text().split("*/", 1)[1]


def test_data_tables_compile_to_themselves(machine):
    _, path = machine
    for table in ("XSDT", "FACP", "APIC"):
        said = iasl(path, "-p", f"new-{table}", f"{table}.dsl")
        assert CLEAN.search(said), said
        old, new = ((path / name).read_bytes() for name in (f"{table}.aml", f"new-{table}.aml"))
        assert len(new) == len(old)
        assert new[HEADER_LEN:] == old[HEADER_LEN:]


def test_dsdt_compiles_to_itself(machine):
    _, path = machine
    said = iasl(path, "-oa", "-p", "again", "DSDT.dsl")
    assert CLEAN.search(said), said
    # The compiler writes shorter lengths than we do: compare what both mean.
    iasl(path, "-p", "again", "-d", "again.aml")
    assert body(path / "again.dsl") == body(path / "DSDT.dsl")


def test_dsdt_says_what_the_machine_has(machine):
    (_, nr_virtio, com2), path = machine
    dsl = body(path / "DSDT.dsl")
    assert dsl.count('Name (_HID, "LNRO0005")') == nr_virtio
    assert dsl.count('EisaId ("PNP0501")') == 1 + com2
    for i in range(nr_virtio):
        assert f"0x{0xC0001000 + i * 0x1000:08X},         // Address Base" in dsl
    assert re.search(r"Name \(\\?_S5, Package \(0x04\).*?\{\s*0x05,", dsl, re.S)
    assert re.search(r"If \(\(Arg0 == 0x17\)\)\s*\{\s*Notify \(VGEN, 0x80\)", dsl)
    assert re.search(r"Name \(ADDR, Package \(0x02\)\s*\{\s*0x000D0000,\s*Zero", dsl)


def test_fadt_is_hardware_reduced(machine):
    _, path = machine
    dsl = body(path / "FACP.dsl")
    for line in (r"Hardware Reduced \(V5\) : 1", r"Reset Register Supported \(V2\) : 1",
                 r"Low Power S0 Idle \(V5\) : 0", r"8042 Present on ports 60/64 \(V2\) : 1",
                 r"CMOS RTC Not Present \(V5\) : 1"):
        assert re.search(line, dsl), line
