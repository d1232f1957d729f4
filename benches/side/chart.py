"""Draws the README's chart: a few bars a number, brooklet's first.

It must stay readable on a light and on a dark page, and must compute nothing.
"""

from xml.sax.saxutils import escape

WIDTH, LABEL, ROOM, ROW, HEAD, GAP = 760, 230, 430, 22, 34, 14
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .head { font-weight: 600 }
  .bar { fill: #8c959f }
  .own { fill: #0969da }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar { fill: #6e7681 } .own { fill: #4493f8 } }
"""


def draw(panels):
    """The SVG of panels: a title, a unit, and rows of a label, a value and whether it is brooklet's."""
    lines, y = [], 0
    for title, unit, rows in panels:
        y += HEAD
        lines.append('<text class="head" x="0" y="%d">%s</text>' % (y - 12, escape(title)))
        most = max(value for _, value, _ in rows)
        for label, value, own in rows:
            width = max(2, round(ROOM * value / most))
            kind = "own" if own else "bar"
            lines.append('<text x="0" y="%d">%s</text>' % (y + 15, escape(label)))
            lines.append('<rect class="%s" x="%d" y="%d" width="%d" height="14" rx="2"/>' % (kind, LABEL, y + 4, width))
            text = "%s %s" % (number(value), unit)
            lines.append('<text x="%d" y="%d">%s</text>' % (LABEL + width + 8, y + 15, escape(text)))
            y += ROW
        y += GAP
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">' % (WIDTH, y, WIDTH, y)
    title = "<title>brooklet beside other Lambda extensions: bytes, time to the first next, memory, processor time</title>"
    return "\n".join([head, title, "<style>%s</style>" % STYLE] + lines + ["</svg>"]) + "\n"


def number(value):
    """Three digits."""
    if value >= 100:
        return "%d" % round(value)
    return "%.1f" % value if value >= 10 else "%.2f" % value
