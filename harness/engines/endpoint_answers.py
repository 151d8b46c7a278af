"""Completions as OpenAI-compatible servers write them: whole in JSON, or in pieces as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.engines.protocol import Completion, EngineFailure, FinishReason, Piece, Ticket
from harness.engines.transport import BrokenAnswerError, error_message
from harness.errors import HarnessError

_SLACK_PARTS = 16
"""Parts with text beyond four for each token allowed: one may hold a part of a token."""
_FINISHED: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counts them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What one event adds, or a whole answer. `finish` and `usage` come with the last ones."""

    text: str = ""
    token_ids: tuple[int, ...] = ()
    finish: str = ""
    usage: Usage | None = None


@dataclass(slots=True)
class Answer:
    """The answer to one ticket, over as many tries as it takes; each piece is handed out once."""

    ticket: Ticket
    finish: str = ""
    usage: Usage | None = None
    _parts: int = 0
    _text: str = ""
    _token_ids: list[int] = field(default_factory=list)
    _handed: Piece = field(default_factory=lambda: Piece(""))

    def begin(self) -> None:
        """A try begins to answer: what an earlier one said is not part of it."""
        self.finish, self.usage, self._text, self._token_ids = "", None, "", []
        self._parts = 0

    def take(self, part: Part) -> None:
        """Hand on what is new; EngineFailure when this try's text is not that of an earlier one, and when it
        goes on far beyond the tokens allowed."""
        self._parts += bool(part.text)
        allowed = self.ticket.request.sampling.max_tokens
        if self._parts > 4 * allowed + _SLACK_PARTS:
            raise EngineFailure(f"the server writes on beyond the {allowed} tokens allowed")
        self.finish, self.usage = part.finish or self.finish, part.usage or self.usage
        self._text += part.text
        self._token_ids += part.token_ids
        handed = self._handed.text
        if not (self._text.startswith(handed) or handed.startswith(self._text)):
            raise EngineFailure("an answer broke off, and the second one is another", retryable=True)
        piece = Piece(self._text[len(handed) :], tuple(self._token_ids[len(self._handed.token_ids) :]))
        if len(self._text) >= len(handed) and (piece.text or piece.token_ids):
            self.ticket.put(piece)
            self._handed = Piece(self._text, tuple(self._token_ids))

    def completion(self, cut: FinishReason | None = None) -> Completion:
        """The whole answer, or what was handed out when it was `cut` short (tokens not told: 0)."""
        reason = cut or _FINISHED.get(self.finish)
        if reason is None:
            raise EngineFailure(f"the answer ended with finish_reason {self.finish!r}")
        usage = self.usage or Usage(0, 0)
        return Completion(
            text=self._handed.text,
            token_ids=self._handed.token_ids,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            finish_reason=reason,
            timings=self.ticket.timings(),
            cached_tokens=usage.cached_tokens,
        )


async def parts(chunks: AsyncIterator[bytes], content_type: str) -> AsyncGenerator[Part, None]:
    """The parts of an answer, whichever way the server wrote it, until it is complete.

    BrokenAnswerError when it ends too soon or the server breaks off with an error that may pass,
    HarnessError for an error that will not, EngineFailure for what is no completion.
    """
    if not content_type.startswith("text/event-stream"):
        body = b"".join([chunk async for chunk in chunks])
        part = _part(_json(body))
        if not part.finish:
            raise EngineFailure("the answer has no finish_reason")
        yield _with_usage(part)
        return
    finish, usage, done = "", None, False
    async for data in _events(chunks):
        if data == b"[DONE]":
            done = True
            break
        part = _part(_json(data))
        finish, usage = part.finish or finish, part.usage or usage
        yield part
    if not finish or (usage is None and not done):
        raise BrokenAnswerError("the answer broke off before its end")
    _with_usage(Part(usage=usage))


def _with_usage(part: Part) -> Part:
    if part.usage is None:
        raise EngineFailure("the answer does not say how many tokens it took (no usage)")
    return part


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each event. Only LF and CR LF end a line: JSON text may hold other line breaks."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[len(b"data:") :].strip()


def _json(data: bytes) -> Mapping[str, Any]:
    if not data.strip():
        raise EngineFailure("the answer is empty")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise EngineFailure("the answer is no JSON") from None
    if not isinstance(document, Mapping):
        raise EngineFailure("the answer is no JSON object")
    return document


def _part(document: Mapping[str, Any]) -> Part:
    if document.get("error"):
        raise _error(document["error"])
    choices: Any = document.get("choices")
    usage = _usage(document.get("usage"))
    if choices == [] and usage is not None:
        return Part(usage=usage)
    try:
        choice = choices[0]
        holder = choice.get("delta") or choice.get("message") or choice
        text, finish = holder.get("content", choice.get("text")), choice.get("finish_reason")
        token_ids = tuple(choice.get("token_ids") or ())
    except (AttributeError, IndexError, KeyError, TypeError):
        raise EngineFailure("the answer has no choices") from None
    if not isinstance(text, str | None) or not all(isinstance(token, int) for token in token_ids):
        raise EngineFailure("the answer's text is no text")
    if holder.get("refusal"):
        raise EngineFailure("the model refused to answer")
    if text is None and "message" in choice:
        raise EngineFailure(f"the answer has no content (finish_reason {finish!r})")
    return Part(text or "", token_ids, str(finish or ""), usage)


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not (isinstance(prompt, int) and isinstance(completion, int)):
        return None
    return Usage(prompt, completion, cached if isinstance(cached, int) else 0)


def _error(error: Any) -> Exception:
    """An error in the midst of an answer; without a code of 4xx it may pass."""
    code = error.get("code") if isinstance(error, Mapping) else None
    what = f"breaks off: {error_message(error)}"
    if isinstance(code, int) and 400 <= code < 500 and code not in (408, 429):
        return HarnessError(what)
    return BrokenAnswerError(what)
