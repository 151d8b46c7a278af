"""Answers kept from one run to the next: a folder with one small file for each.

A file is named by what decides its answer (`keys.answer_key`) and holds nothing of the prompt, of an
endpoint or of a key. Files are written whole and renamed, so that any number of processes may share a folder.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from harness.calls.answer import Answer, answer_from, document_of
from harness.errors import HarnessError

# raise it when an entry is written otherwise
FORMAT = 1


class ResponseCache:
    """The answers in a folder, which is made when it is not there; raises HarnessError where it cannot be.

    A damaged entry counts in `damaged` and is a miss; the next answer replaces it. One that cannot be written
    counts in `unwritten`: a full disk costs later hits, not this answer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged = 0
        self.unwritten = 0
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(
                f"the response cache cannot be made there: {error.strerror}",
                where=str(folder),
                next_step="give another folder, or --no-cache",
            ) from None

    def get(self, key: str) -> Answer | None:
        """The answer under this key, None when there is none."""
        try:
            entry = json.loads(self._path(key).read_bytes())
            if entry["format"] == FORMAT and entry["key"] == key:
                return answer_from(entry["answer"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        with self._lock:
            self.damaged += 1
        return None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer under this key."""
        path = self._path(key)
        entry = {"format": FORMAT, "key": key, "answer": document_of(answer)}
        partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
        try:
            path.parent.mkdir(exist_ok=True)
            partial.write_text(json.dumps(entry) + "\n", encoding="ascii")
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            with self._lock:
                self.unwritten += 1

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
