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
    kind = maps[first].flags

    def belongs(m):
        return (m.anonymous and m.flags == kind) or m.path.endswith("/" + kernel)

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
    """KiB of the monitor's own memory, and of the guest's."""
    maps = parse(lines)
    guest = guest_ram(maps, size, kernel)
    own = [m for m in maps if m not in guest]
    return {
        "private": sum(m.private for m in own),
        # Unwritten pages of the program and its libraries, which a second monitor would share.
        "private_file": sum(m.kib.get("Private_Clean", 0) for m in own if not m.anonymous),
        "shared": sum(m.shared for m in own),
        "guest": sum(m.kib.get("Rss", 0) for m in guest),
    }
