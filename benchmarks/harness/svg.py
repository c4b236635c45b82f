# SPDX-License-Identifier: Apache-2.0
"""A plot of measures, as SVG: for each unit a panel of bars, the median as the bar and the range as a line in it."""

from xml.sax.saxutils import escape

from .results import number

ROW, BAR, LEFT, WIDTH, RIGHT = 20, 12, 330, 420, 110
FONT = 'font-family="sans-serif" font-size="11"'


def text(x, y, words, anchor="start", weight="normal"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" {FONT}>{escape(words)}</text>'


def bar(y, measure, scale):
    low, mid, high = (LEFT + v * scale for v in (min(measure.samples), measure.median, max(measure.samples)))
    middle = y + BAR / 2
    return [text(LEFT - 6, y + BAR - 2, measure.name[:60], "end"),
            f'<rect x="{LEFT}" y="{y}" width="{max(mid - LEFT, 0.5):.1f}" height="{BAR}" fill="#4878a8"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="#202020"/>',
            text(f"{high + 5:.1f}", y + BAR - 2, number(measure.median))]


def document(lines, width, height):
    body = "\n".join(lines)
    size = f'width="{width:.0f}" height="{height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'


def plot(title, measures):
    """The text of an SVG file."""
    lines, y = [text(8, 18, title, weight="bold")], 34
    for unit in dict.fromkeys(m.unit for m in measures):
        panel = [m for m in measures if m.unit == unit]
        scale = WIDTH / (max(max(m.samples) for m in panel) or 1)
        better = "less" if all(m.better == "less" for m in panel) else "more"
        lines.append(text(LEFT, y + BAR, f"{unit} ({better} is better)"))
        y += ROW
        for m in panel:
            lines += bar(y, m, scale)
            y += ROW
        y += ROW / 2
    return document(lines, LEFT + WIDTH + RIGHT, y)
