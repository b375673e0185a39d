"""Text of users, data and models, made harmless to a page."""

import re
from html import escape

from minimind_tui.safe_text import one_line, printable

_NOT_XML = re.compile("[\ufffe\uffff]")
_MARKS = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w)|:(?=//))")
_AT_START = re.compile(r"^(\d*)(#{1,6}(?!\S)|[+\-](?![\w.])|=|[.)](?!\S))")
"""What makes a heading, a list or a rule of a line that begins with it."""


def xml_text(text: str) -> str:
    """`text` for HTML and SVG, in elements and in quoted attributes; control characters are gone."""
    return escape(_NOT_XML.sub("", printable(text)), quote=True)


def markdown_line(text: str) -> str:
    """`text` on one line of Markdown, also in a table's cell: what means something there is taken literally."""
    literal = _MARKS.sub(r"\\\1", escape(_NOT_XML.sub("", one_line(text)), quote=False))
    return _AT_START.sub(r"\1\\\2", literal)


def markdown_block(text: str) -> str:
    """`text` as a fenced block, its fence longer than any row of backticks in it."""
    kept = _NOT_XML.sub("", printable(text))
    fence = "`" * max(3, 1 + max((len(found) for found in re.findall("`+", kept)), default=0))
    return f"{fence}text\n{kept}\n{fence}"
