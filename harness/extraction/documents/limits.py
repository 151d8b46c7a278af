"""How much of a file is read before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """A file over one of them is not read at all: half a contract read in silence is worse than none.

    `files` of a folder; `file_bytes` on the disk; `characters` of text in a file; `pages` of a PDF, each
    described in `page_bytes` at most, all together in `unpacked_bytes` and `operations`; `packed_files` and
    `unpacked_bytes` of what DOCX and XLSX files pack; `cells` of a workbook, empty ones before a value
    counted.
    """

    files: int = 2_000
    file_bytes: int = 64 << 20
    characters: int = 20_000_000
    pages: int = 5_000
    page_bytes: int = 16 << 20
    operations: int = 20_000_000
    packed_files: int = 10_000
    unpacked_bytes: int = 256 << 20
    cells: int = 5_000_000
