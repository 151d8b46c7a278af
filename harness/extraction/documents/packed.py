"""The ZIP archives that DOCX and XLSX files are, looked at before anything is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.report import UnreadableError

_OLD_OFFICE = b"\xd0\xcf\x11\xe0"


def refuse_bombs(path: Path, limits: Limits, kind: str) -> None:
    """Raise UnreadableError for what is no archive, or unpacks to more than the limits.

    The sizes are those that the archive states; nothing unpacks to more than it states.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        with path.open("rb") as file:
            is_old = file.read(4) == _OLD_OFFICE
        if is_old:
            what = f"is of an old Office format or has a password; save it as {kind} without one"
            raise UnreadableError(what) from None
        raise UnreadableError(f"is no {kind} file or a broken one") from None
    if len(entries) > limits.packed_files:
        raise UnreadableError(f"packs {len(entries):,} files, over the limit of {limits.packed_files:,}")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limits.unpacked_bytes:
        raise UnreadableError(f"unpacks to {unpacked:,} bytes, over the limit of {limits.unpacked_bytes:,}")
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableError("is encrypted; save it without a password")
