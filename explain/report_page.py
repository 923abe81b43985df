"""What every report's page is made of: a head that forbids it the network, figures, tables, words.

Well-formed XML too, so that a parser can check it; no script runs.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape

from .report_figure import ReportFigure
from .report_style import STYLE

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|(?:[kMG]?Hz|dB|ms|µs|s|min|h)\b)")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page_html(title: str, parts: Sequence[str], facts: Mapping[str, str]) -> str:
    """A whole page: the title, its `parts`, which are HTML, and how it was made (`facts`) at #made."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"/><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>',
        f"<style>{STYLE}</style></head>",
        f"<body><h1>{escape(title)}</h1>",
        *parts,
        '<h2 id="made">How this was made</h2>',
        table_html([(name, value) for name, value in facts.items()]),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def figure_html(figure: ReportFigure, folder: str) -> str:
    """The picture on a white card: dark ink stays readable on a dark screen."""
    if figure.content.startswith(b"<svg"):
        picture = figure.content.decode()
    else:
        kind = "svg+xml" if figure.name.endswith(".svg") else "png"
        data = base64.b64encode(figure.content).decode()
        picture = f'<img alt="{escape(figure.caption)}" src="data:image/{kind};base64,{data}"/>'
    files = f"{folder}/{figure.name}, its numbers in {folder}/{figure.data_name}"
    return (
        f'<figure><div class="picture">{picture}</div><figcaption>{words_html(figure.caption)} '
        f"<em>File: {escape(files)}.</em></figcaption></figure>"
    )


def table_html(rows: Sequence[tuple[str, str]]) -> str:
    """What stands beside its name."""
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{words_html(value)}</td></tr>' for name, value in rows
    )
    return f"<table><tbody>{lines}</tbody></table>"


def number_table_html(titles: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Numbers under `titles`, of which the first is that of the rows' names."""
    head = f"<th>{escape(titles[0])}</th>" + "".join(
        f'<th class="number">{escape(title)}</th>' for title in titles[1:]
    )
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for name, cells in rows.items()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def words_html(words: str) -> str:
    """Words for the page; a number and its unit stay on one line."""
    return escape(_BEFORE_UNIT.sub("\u00a0", words))
