"""Text from data made safe for where it is shown. A model's output can say anything."""

from __future__ import annotations

import re
import unicodedata

# XML 1.0, production [2] Char: everything outside is forbidden even as a character reference.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKDOWN = re.compile(r"([\\`*{}\[\]|~#!$])")
_OUTER_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = (
    ("&", "&amp;"),
    ("<", "&lt;"),
    (">", "&gt;"),
    ("@", "&#64;"),
    ("://", "&#58;//"),
    ("www.", "www&#46;"),
)

LONGEST = 400


def clip(text: str, longest: int = LONGEST) -> str:
    """`text`, cut with an ellipsis; for names and prose only, a figure is never clipped."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def printable(text: str, longest: int = LONGEST) -> str:
    """One line without control, format (bidirectional) or surrogate characters."""
    whole = str(text)
    # Data may hold megabytes; what cannot be shown is not looked at.
    head = whole[: 4 * longest]
    line = " ".join(head.split())
    if not line.isprintable():
        line = "".join("?" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in line)
    return clip(line if len(head) == len(whole) else line + "…", longest)


def xml_text(text: str) -> str:
    """`text` without the characters that XML 1.0 forbids; markup is left to the XML writer."""
    return _NOT_XML.sub("?", str(text))


def markdown_text(text: str, longest: int = LONGEST) -> str:
    """One line of `text` that GitHub renders literally, inside a table too."""
    line = printable(text, longest)
    for raw, entity in _ENTITIES:
        line = line.replace(raw, entity)
    # The hash inside an entity written above must survive, so entities are split off first.
    parts = re.split(r"(&(?:amp|lt|gt|#64|#58|#46);)", line)
    escaped = (
        p if i % 2 else _OUTER_UNDERSCORE.sub(r"\\_", _MARKDOWN.sub(r"\\\1", p)) for i, p in enumerate(parts)
    )
    return "".join(escaped)
