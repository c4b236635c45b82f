#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the named seeds of fuzz_balloon: tests/fuzz/seeds_balloon.py tests/fuzz/corpus/balloon"""
import os
import struct
import sys

SIZE, STEP, WRITE, NEXT = 16, 0x400, 2, 1
AVAIL, DATA, HIGH = 16 * SIZE, 0x2000, 0x100
INFLATE, DEFLATE, STATS, HINT, REPORT = range(5)
# Flags, and what else happens: as in fuzz_balloon.c.
ALL, LARGE, EVENT_IDX, FEWER = 7, 8, 16, 64
RUN, WAIT, STOP, ACTUAL, RESET = 1, 2, 4, 8, 16


def seed(name, flags, what, chains, data=b""):
    """`chains`: for a queue, lists of (address, length, flags)."""
    memory = bytearray(DATA) + data
    for q, list_of in chains.items():
        base, at = q * STEP, 0
        for number, chain in enumerate(list_of):
            struct.pack_into("<H", memory, base + AVAIL + 4 + 2 * number, at)
            for i, (gpa, length, how) in enumerate(chain):
                more = i + 1 < len(chain)
                struct.pack_into("<QIHH", memory, base + 16 * at, gpa, length, how | (NEXT if more else 0),
                                 at + 1 if more else 0)
                at += 1
        struct.pack_into("<H", memory, base + AVAIL + 2, len(list_of))
    with open(os.path.join(sys.argv[1], name), "wb") as f:
        f.write(bytes([flags, what]) + memory.rstrip(b"\0"))


def numbers(*pfn):
    return struct.pack(f"<{len(pfn)}I", *pfn)


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    pages = numbers(HIGH, HIGH + 1, HIGH + 3, HIGH + 2, HIGH + 2, 0x20, 0xffffffff, 0x110, HIGH + 15)
    read = [(DATA, len(pages), 0)]
    seed("inflate", ALL, 0, {INFLATE: [read, read[:1]]}, pages)
    seed("deflate", ALL | LARGE, 0, {INFLATE: [read], DEFLATE: [read]}, pages)
    seed("large", ALL | LARGE | EVENT_IDX, 0, {INFLATE: [read] * 3}, pages)
    seed("odd", ALL, 0, {INFLATE: [[(DATA, 7, 0)], [(DATA, 3, 0), (DATA, 1, 0)], [(DATA, 8, WRITE)]]}, pages)
    seed("long", ALL, RESET, {INFLATE: [[(0x10000, 0x10000, 0)] * 8]}, pages)
    stats = b"".join(struct.pack("<HQ", tag, 1 << tag) for tag in range(20))
    seed("stats", ALL, ACTUAL, {STATS: [[(DATA, len(stats), 0)], [(DATA, 9, 0)]]}, stats)
    run = {HINT: [[(DATA, 4, 0)], [(0x100000, 0x4000, WRITE)], [(0x105001, 0x3fff, WRITE)], [(DATA + 4, 4, 0)],
                  [(0x108000, 0x1000, WRITE)], [(DATA, 2, 0)]]}
    seed("hint", ALL, RUN | ACTUAL, run, numbers(2, 0))
    seed("hint-stopped", ALL, RUN | STOP, run, numbers(2, 0))
    report = {REPORT: [[(0x100000, 0x2000, WRITE), (0x104000, 0x8000, WRITE), (0x1fff, 2, WRITE)]]}
    seed("report", ALL, 0, report)
    seed("report-large", ALL | LARGE, 0, report)
    seed("report-waits", ALL, WAIT, report)
    seed("fewer", ALL | FEWER, 0, {INFLATE: [read], HINT: [read]}, pages)


main()
