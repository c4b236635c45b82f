# SPDX-License-Identifier: Apache-2.0
"""A boot as a waterfall, as SVG: a row for each phase, at its place in time, and below them the dearest initcalls."""

from .results import number
from .svg import BAR, LEFT, RIGHT, ROW, document, text

WIDTH = 700
DEAREST = 20
COLOURS = ("#4878a8", "#a86048")  # the monitor's phases, and the guest's


def row(y, name, start, length, scale, colour, label):
    left, wide = LEFT + start * scale, max(length * scale, 0.5)
    return [text(LEFT - 6, y + BAR - 2, name[:60], "end"),
            f'<rect x="{left:.1f}" y="{y}" width="{wide:.1f}" height="{BAR}" fill="{colour}"/>',
            text(f"{left + wide + 5:.1f}", y + BAR - 2, label)]


def axis(y, rows, total, scale):
    """Lines at round times, through all rows of a monitor."""
    step = next(s * 10**p for p in range(-3, 7) for s in (1, 2, 5) if total / (s * 10**p) <= 12)
    lines = []
    for i in range(int(total / step) + 1):
        x = LEFT + i * step * scale
        lines += [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y + ROW - 4}" y2="{y + ROW * (rows + 1)}" stroke="#dddddd"/>',
                  text(f"{x:.1f}", y + BAR, number(i * step), "middle")]
    return lines


def plot(title, monitors):
    """`monitors` is what benchmarks/phases keeps: for each a title, phases (ms) and initcalls (us)."""
    lines, y = [text(8, 18, title.replace("\n", " "), weight="bold")], 40
    total = max(p["start"] + p["ms"] for m in monitors for p in m["phases"])
    for m in monitors:
        lines += [text(8, y + BAR, f"{m['title']}, ms", weight="bold"), *axis(y, len(m["phases"]), total, WIDTH / total)]
        y += ROW
        for p in m["phases"]:
            guest = p["name"].startswith(("guest", "init"))
            lines += row(y, p["name"], p["start"], p["ms"], WIDTH / total, COLOURS[guest], number(p["ms"]))
            y += ROW
        y += ROW / 2
        dearest = sorted(m["initcalls"], key=lambda c: -c["us"])[:DEAREST]
        if not dearest:
            continue
        lines.append(text(8, y + BAR, f"its guest's dearest initcalls, us, of {len(m['initcalls'])}", weight="bold"))
        y += ROW
        begin = min(c["at"] for c in m["initcalls"])
        span = max(c["at"] + c["us"] for c in m["initcalls"]) - begin or 1
        for c in sorted(dearest, key=lambda c: c["at"]):
            lines += row(y, c["name"], c["at"] - begin, c["us"], WIDTH / span, COLOURS[1], number(c["us"]))
            y += ROW
        y += ROW / 2
    return document(lines, LEFT + WIDTH + RIGHT, y)
