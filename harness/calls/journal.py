"""A run's journal: every answer as soon as it is there, so that a killed run goes on without asking again.

A run that is started again begins anew and is deterministic given the answers, so it asks the same calls in
the same order, and the journal answers those it has. Each line goes to the system in one write before its
answer is used, so it survives the end of the process; `sync`, which a model calls once for each batch before
it returns, brings it to the disk, so that what a run has seen survives the end of the machine too.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.calls.answer import Answer, Role
from harness.calls.journal_lines import (
    ANSWER,
    FORMAT,
    HEADER,
    Contents,
    CorruptLineError,
    Place,
    answer_line,
    header_line,
    note_line,
    read_lines,
)
from harness.errors import EXIT_INFRASTRUCTURE, HarnessError

_SHOWN_CHARACTERS = 60


class Journal:
    """The journal at `path` of the run with this fingerprint (texts by name: whatever decides its course).

    Raises HarnessError for a journal of another fingerprint, naming the parts that differ, for one that
    another process writes, for a corrupt line with its number, and for a file that is no journal; such files
    are left as they are. `again` says in messages how a run goes on.
    """

    def __init__(
        self, path: Path, fingerprint: Mapping[str, str], again: str = "the same command goes on there"
    ) -> None:
        self.path = path
        self.again = again
        self._lock = threading.Lock()
        self._closed = False
        self._counted: Counter[tuple[Role, str]] = Counter()
        self._file = _open(path)
        try:
            _lock(self._file, path)
            found = _read(self._file, path, header_line(fingerprint))
            _check(found, fingerprint, path)
            os.ftruncate(self._file, found.end)
            self._end = found.end
            self.openings = 1 + sum(note["kind"] == "opened" for note in found.notes)
            if found.fingerprint is None:
                self._write(header_line(fingerprint))
            self._write(note_line("opened", {"opening": self.openings}))
            self.sync()
        except BaseException:
            os.close(self._file)
            raise
        self._answers = found.answers
        self._asked: set[Place] = set()

    @property
    def kept(self) -> int:
        """The answers in it."""
        with self._lock:
            return len(self._answers)

    def occurrence(self, role: Role, key: str) -> int:
        """How many requests of this role and key there were in this process; counts one more."""
        with self._lock:
            self._counted[role, key] += 1
            return self._counted[role, key] - 1

    def take(self, place: Place) -> Answer | None:
        """The answer that this call had earlier, None when it had none. Its source is that of then."""
        with self._lock:
            answer = self._answers.get(place)
            if answer is not None:
                self._asked.add(place)
            return answer

    def append(self, place: Place, answer: Answer) -> None:
        """Keep an answer; raises HarnessError when it cannot be written."""
        with self._lock:
            self._write(answer_line(place, answer))
            self._answers[place] = answer
            self._asked.add(place)

    def note(self, kind: str, **fields: Any) -> None:
        """A line of anyone's, which is not replayed: a run started again writes its notes again."""
        if kind in (HEADER, ANSWER):
            raise ValueError(f"{kind!r} lines are the journal's own")
        with self._lock:
            self._write(note_line(kind, fields))

    def left(self) -> int:
        """The answers that nobody has asked for again. At a run's end more than 0 says that it went another
        way than the run it continues: something beside the answers decided its course."""
        with self._lock:
            return len(self._answers) - len(self._asked)

    def sync(self) -> None:
        """Bring to the disk what was written."""
        with self._lock:
            self._refuse_when_closed()
            try:
                os.fsync(self._file)
            except OSError as error:
                raise _unwritable(error, self.path) from None

    def close(self) -> None:
        """Let others have it. May be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _refuse_when_closed(self) -> None:
        # the number of a closed file may be another file's by now
        if self._closed:
            raise ValueError("the journal is closed")

    def _write(self, line: bytes) -> None:
        """One whole line, or none: what a full disk took of it is cut off again."""
        self._refuse_when_closed()
        try:
            os.lseek(self._file, self._end, os.SEEK_SET)
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise _unwritable(error, self.path) from None
        self._end += len(line)


def read_journal(path: Path) -> Contents:
    """What a journal says, without taking it over; raises HarnessError for a file that is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HarnessError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return _contents(content, path)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise HarnessError(
            f"the journal cannot be opened: {error.strerror}",
            where=str(path),
            next_step="give another path for the journal",
        ) from None


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HarnessError(
            "another process is writing this journal",
            where=str(path),
            next_step="wait until it is done or end it, or give another path for the journal",
        ) from None
    except OSError as error:
        raise HarnessError(
            f"the journal cannot be locked: {error.strerror}",
            where=str(path),
            next_step="put it on a file system that has locks",
        ) from None


def _read(file: int, path: Path, header: bytes) -> Contents:
    with os.fdopen(os.dup(file), "rb") as stream:
        content = stream.read()
    # of a header alone that its writer did not finish nothing is lost
    return Contents() if header.startswith(content) and content != header else _contents(content, path)


def _contents(content: bytes, path: Path) -> Contents:
    try:
        found = read_lines(content)
    except CorruptLineError as error:
        if error.number == 1:
            raise HarnessError(
                f"the first line is none of a journal: {error}",
                where=str(path),
                next_step="give another path for the journal",
            ) from None
        raise HarnessError(
            f"line {error.number} is corrupt: {error}",
            where=str(path),
            next_step="restore the file from a copy, or remove it to start anew",
        ) from None
    if found.fingerprint is None and content:
        raise HarnessError("this is no journal", where=str(path), next_step="give another path for it")
    return found


def _check(found: Contents, fingerprint: Mapping[str, str], path: Path) -> None:
    if found.fingerprint is None:
        return
    was, now = dict(found.fingerprint), {"format of the journal": str(FORMAT), **fingerprint}
    changed = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    if changed:
        parts = "; ".join(
            f"{name} was {_shown(was.get(name))}, is {_shown(now.get(name))}" for name in changed
        )
        raise HarnessError(
            f"this journal belongs to another run: {parts}",
            where=str(path),
            next_step="run with what it was started with, or give another path for the journal to start anew",
        )


def _shown(value: str | None) -> str:
    if value is None:
        return "not there"
    line = repr(value)
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}..."


def _unwritable(error: OSError, path: Path) -> HarnessError:
    return HarnessError(
        f"the journal cannot be written: {error.strerror}",
        where=str(path),
        next_step="make room and start the same command again; it goes on there",
        exit_code=EXIT_INFRASTRUCTURE,
    )
