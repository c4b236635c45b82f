# SPDX-License-Identifier: Apache-2.0
"""A monitor's memory from its /proc/PID/smaps: its own, apart from what belongs to the guest."""

import dataclasses
import re

HEADER = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) *(.*)$")
FIELD = re.compile(r"^(\w+): +(\d+) kB$")


@dataclasses.dataclass
class Mapping:
    start: int
    end: int
    perms: str
    inode: int
    path: str
    kib: dict = dataclasses.field(default_factory=dict)
    flags: str = ""

    @property
    def size(self):
        return self.end - self.start

    @property
    def anonymous(self):
        """Memory without a file that anyone else could open."""
        return self.inode == 0 or self.path.startswith(("/memfd:", "/dev/zero"))

    @property
    def private(self):
        return sum(self.kib.get("Private_" + x, 0) for x in ("Clean", "Dirty", "Hugetlb"))

    @property
    def shared(self):
        return sum(self.kib.get("Shared_" + x, 0) for x in ("Clean", "Dirty", "Hugetlb"))


def parse(lines):
    """The mappings, in the order of their addresses."""
    maps = []
    for line in lines:
        if m := HEADER.match(line):
            start, end, perms, inode, path = m.groups()
            maps.append(Mapping(int(start, 16), int(end, 16), perms, int(inode), path))
        elif (m := FIELD.match(line)) and maps:
            maps[-1].kib[m.group(1)] = int(m.group(2))
        elif line.startswith("VmFlags:") and maps:
            maps[-1].flags = line.partition(":")[2].strip()
    return maps


def kind(m):
    """What a mapping is, in words: the file's name and whether it is code or data, or the kernel's name for it."""
    if m.anonymous:
        return m.path or "anonymous memory"
    return f"{m.path.rpartition('/')[2]}, {'code' if 'x' in m.perms else 'data' if 'w' in m.perms else 'constants'}"


def by_kind(maps):
    """{kind: {"private", "private_file", "shared": KiB}}, the largest private ones first. Memory that is nowhere resident is left out."""
    found = {}
    for m in maps:
        if m.private + m.shared:
            sums = found.setdefault(kind(m), {"private": 0, "private_file": 0, "shared": 0})
            for key, value in footprint_of(m).items():
                sums[key] += value
    return dict(sorted(found.items(), key=lambda item: -item[1]["private"]))


def footprint_of(m):
    # Unwritten pages of the program and its libraries, which a second monitor would share. Those of a file in memory are never clean.
    file = 0 if m.anonymous else m.kib.get("Private_Clean", 0) if "w" in m.perms else m.private
    return {"private": m.private, "private_file": file, "shared": m.shared}


def guest_ram(maps, size, kernel):
    """The mappings that are the guest's memory of `size` bytes.

    That is the largest anonymous mapping; where the file `kernel` is mapped into it, also what was
    cut off by that: the neighbours without a gap that are of this file or of the same kind, up to
    the guest's size. Raises ValueError when that is not all of it.
    """
    candidates = [i for i, m in enumerate(maps) if m.anonymous and "w" in m.perms]
    if not candidates:
        raise ValueError("no writable anonymous mapping")
    first = last = max(candidates, key=lambda i: maps[i].size)
    flags = maps[first].flags

    def belongs(m):
        return (m.anonymous and m.flags == flags) or m.path.endswith("/" + kernel)

    def have():
        return maps[last].end - maps[first].start

    while have() < size:
        if first > 0 and maps[first - 1].end == maps[first].start and belongs(maps[first - 1]):
            first -= 1
        elif (
            last + 1 < len(maps)
            and maps[last].end == maps[last + 1].start
            and belongs(maps[last + 1])
        ):
            last += 1
        else:
            raise ValueError(f"largest mapping has {have() >> 10} KiB, the guest {size >> 10}")
    return maps[first : last + 1]


def footprint(lines, size, kernel):
    """KiB of the monitor's own memory, all of it and by mapping, and of the guest's."""
    maps = parse(lines)
    guest = guest_ram(maps, size, kernel)
    own = by_kind([m for m in maps if m not in guest])
    sums = {key: sum(k[key] for k in own.values()) for key in ("private", "private_file", "shared")}
    return {**sums, "guest": sum(m.kib.get("Rss", 0) for m in guest), "mappings": own}
