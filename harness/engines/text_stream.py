"""Bytes of tokens into text to show: whole characters, and nothing that a stop string may yet take back."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """The text of one completion as its tokens come in.

    Bytes that begin a character wait for the rest of it; text that begins a stop string waits until it cannot
    become one. `stopped` is set once a stop string was seen; the text ends before it.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._waiting = ""
        self.stopped = False

    def add(self, data: bytes) -> str:
        """What may be shown after these bytes."""
        return self._release(self._decoder.decode(data))

    def end(self) -> str:
        """What was still waiting; half a character becomes U+FFFD."""
        if self.stopped:
            return ""
        shown = self._release(self._decoder.decode(b"", final=True)) + self._waiting
        self._waiting = ""
        return shown

    def _release(self, new: str) -> str:
        if not self._stop:
            return new
        text = self._waiting + new
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._waiting = True, ""
            return text[: min(found)]
        kept = len(text) - max(_overlap(text, stop) for stop in self._stop)
        self._waiting = text[kept:]
        return text[:kept]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that a stop string begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
