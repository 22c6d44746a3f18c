"""A tape in a notebook: its listing as a table, folded away when it is long."""

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


def _line(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
