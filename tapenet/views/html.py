"""Tables in a notebook; that of a tape is folded away when it is long."""

from __future__ import annotations

import html
from collections.abc import Sequence

from tapenet.core.recorder import Recorder
from tapenet.views.listing import head, listed_rows


def html_listing(title: str, trace: Recorder) -> str:
    """Format the listing as HTML, everything in it escaped."""
    rows, left_out = listed_rows(trace)
    columns = head(trace)
    lines = [_line(row, "td") for row in rows]
    if left_out:
        lines.insert(len(lines) // 2, f'<tr><td colspan="{len(columns)}">... {left_out} more records ...</td></tr>')
    opened = "" if left_out else " open"
    table = f"<table><thead>{_line(columns, 'th')}</thead><tbody>{''.join(lines)}</tbody></table>"
    return f"<details{opened}><summary>{html.escape(title)}</summary>{table}</details>"


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], indents: Sequence[int] = ()) -> str:
    """Format a table as HTML, everything in it escaped; the first cell of each row may be indented."""
    lines = [_line(row, "td", indent) for row, indent in zip(rows, indents or [0] * len(rows), strict=True)]
    return f"<table><thead>{_line(head, 'th')}</thead><tbody>{''.join(lines)}</tbody></table>"


def _line(cells: Sequence[str], tag: str, indent: int = 0) -> str:
    written = [f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells]
    if indent:
        written[0] = written[0].replace(f"<{tag}>", f'<{tag} style="padding-left: {1.5 * indent}em">', 1)
    return f"<tr>{''.join(written)}</tr>"
