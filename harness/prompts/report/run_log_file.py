"""The run log on disk: lines are only ever added, each in one write, under a lock."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.prompts.report.run_log import Entry, entry_from, entry_line


def read_run_log(path: Path) -> list[Entry]:
    """The entries of a log, in their order; none where there is no file yet.

    A last line that its writer did not finish is left out. Raises HarnessError, with the number of the line,
    for any other line that is no entry.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HarnessError(f"the run log cannot be read: {error.strerror}", where=str(path)) from None
    return _entries(content, path)[0]


def append_run(path: Path, entry: Entry) -> None:
    """Add one run, on the disk when this returns; a log that is damaged is refused and left as it is.

    Raises HarnessError for such a log and for one that cannot be written, ValueError for an entry that is
    none.
    """
    line = entry_line(entry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        with os.fdopen(os.dup(file), "rb") as stream:
            content = stream.read()
        _, end = _entries(content, path)
        # a line someone wrote by hand may lack its line break
        begin = b"\n" if end and not content[:end].endswith(b"\n") else b""
        _write(file, begin + line, end)
        os.fsync(file)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        os.close(file)


def _entries(content: bytes, path: Path) -> tuple[list[Entry], int]:
    """The entries, and the number of bytes up to the end of the last one."""
    entries, end = [], 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                entries.append(entry_from(json.loads(line)))
        except (ValueError, RecursionError) as error:
            is_json = not isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
            if number == len(lines) and not is_json:
                break
            what = str(error) if is_json else "no JSON"
            raise HarnessError(
                f"line {number} is no entry of a run log: {what}",
                where=str(path),
                next_step="correct the line, or remove it",
            ) from None
        end = min(end + len(line) + 1, len(content))
    return entries, end


def _write(file: int, line: bytes, at: int) -> None:
    """The whole line at this place, or nothing: what a full disk took of it is cut off again."""
    os.ftruncate(file, at)
    try:
        rest, place = memoryview(line), at
        while rest:
            written = os.pwrite(file, rest, place)
            rest, place = rest[written:], place + written
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, at)
        raise


def _unwritable(path: Path, error: OSError) -> HarnessError:
    return HarnessError(
        f"the run log cannot be written: {error.strerror}",
        where=str(path),
        next_step="make room, or give another path for the log",
        exit_code=EXIT_INFRASTRUCTURE,
    )
