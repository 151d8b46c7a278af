"""Recorded answers as an engine: it asks nobody, and a prompt that was not recorded is an error.

Beside the answers of a cache lies a small file for each reader that filled it (`write_record`): who answered,
in which format, and how its tokens are counted, so that the same asks become the same prompts again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from harness.calls.answer import Answer
from harness.calls.cache import ResponseCache
from harness.calls.identity import Identity
from harness.calls.journal import read_journal
from harness.calls.journal_lines import Place
from harness.calls.keys import request_key
from harness.engines.protocol import Capability, Completion, Forward, Piece, Request, Ticket, Timings
from harness.errors import HarnessError
from harness.extraction.asks import Provenance
from harness.extraction.reading.prefixes import prompt_text

FOLDER = "readers"
_VERSION = 1
_WHY = "recorded answers come from no model"
_LACKS: Mapping[Capability, str] = dict.fromkeys(
    ("logits", "hidden_states", "attention_rows", "grammar", "prefix_cache"), _WHY
)
Lookup = Callable[[Request], Answer | None]


@dataclass(frozen=True, slots=True)
class Record:
    """A reader whose answers were kept. `tokenizer` is the folder or shipped model that its tokens are
    counted by, empty where a token is four characters."""

    identity: Identity
    format: str
    context_tokens: int
    provenance: Provenance
    tokenizer: str = ""


class ReplayEngine:
    """Answers that `lookup` finds. `where` is named when it finds none."""

    def __init__(self, lookup: Lookup, context_tokens: int, where: str) -> None:
        self._lookup = lookup
        self._context_tokens = context_tokens
        self._where = where

    @property
    def name(self) -> str:
        """Replay, and of what."""
        return f"replay of {self._where}"

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """Everything but answers."""
        return _LACKS

    @property
    def context_tokens(self) -> int:
        """As recorded."""
        return self._context_tokens

    def submit(self, request: Request) -> Ticket:
        """Raises HarnessError for a request that is not recorded."""
        answer = self._lookup(request)
        if answer is None:
            shown = " ".join(prompt_text(request).split())[-80:]
            raise HarnessError(
                f"no answer is recorded for a prompt that ends in {shown!r}",
                where=self._where,
                next_step="replay the same documents with the settings and the format of the recording, "
                "or read them with a model",
            )
        ticket = Ticket(request)
        ticket.put(Piece(answer.text))
        ticket.finish(_completion(answer))
        return ticket

    def tokenize(self, text: str) -> list[int]:
        """Refused."""
        raise HarnessError(_WHY, where=self._where)

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """Refused."""
        raise HarnessError(_WHY, where=self._where)

    def close(self) -> None:
        """Holds nothing."""


def from_cache(folder: Path, record: Record) -> ReplayEngine:
    """The answers of a response cache that this reader filled; raises HarnessError where there is none."""
    if not folder.is_dir():
        raise HarnessError("there is no such folder", where=str(folder), allowed="a response cache")
    cache = ResponseCache(folder)
    return ReplayEngine(
        lambda request: cache.get(request_key(record.identity, request)), record.context_tokens, str(folder)
    )


def from_journal(path: Path, record: Record) -> ReplayEngine:
    """The answers of a run's journal, which is left as it is."""
    answers = read_journal(path).answers

    def lookup(request: Request) -> Answer | None:
        return answers.get(Place("task", request_key(record.identity, request), 0))

    return ReplayEngine(lookup, record.context_tokens, str(path))


def write_record(folder: Path, record: Record) -> Path:
    """Say beside the answers in `folder` who gave them; the same reader writes the same file."""
    document = {"version": _VERSION, **asdict(record)}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    name = "".join(sign if sign.isalnum() else "-" for sign in record.format)
    path = folder / FOLDER / f"{record.identity.digest[:16]}-{name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise HarnessError(f"cannot be written: {error.strerror}", where=str(path)) from None
    return path


def read_records(folder: Path) -> list[Record]:
    """The readers that kept answers there, by the names of their files; raises HarnessError for a damaged
    file."""
    return [_record(path) for path in sorted((folder / FOLDER).glob("*.json"))]


def the_record(folder: Path, model: str = "", format: str = "") -> Record:  # noqa: A002
    """The one reader of that model and format; empty ones stand for any. Raises HarnessError unless it is
    one."""
    records = read_records(folder)
    fitting = [each for each in records if model in ("", each.identity.model) and format in ("", each.format)]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(f"{each.identity.model} ({each.format})" for each in records)
    raise HarnessError(
        f"{len(fitting)} readers kept answers there that could be meant",
        where=str(folder),
        allowed=known or "a folder that a reader kept its answers in",
        next_step="name the model and the format" if len(fitting) > 1 else "",
    )


def _record(path: Path) -> Record:
    try:
        document: Any = json.loads(path.read_bytes())
        if document.pop("version") != _VERSION or document["provenance"] not in get_args(Provenance):
            raise ValueError("another version")
        identity = Identity(**document.pop("identity"))
        record = Record(identity=identity, **document)
        if type(record.context_tokens) is not int or not isinstance(record.format, str):
            raise ValueError("other types")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HarnessError(f"is no record of a reader ({error})", where=str(path)) from None
    return record


def _completion(answer: Answer) -> Completion:
    """As it was, with the seconds that it took then."""
    return Completion(
        answer.text,
        (),
        answer.prompt_tokens,
        answer.completion_tokens,
        "length" if answer.is_cut else "stop",
        Timings(answer.latency_s, answer.latency_s),
        answer.cached_tokens,
    )
