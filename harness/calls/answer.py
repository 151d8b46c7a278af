"""What a language model answered, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from harness.engines.protocol import Completion

Role = Literal["task", "reflection"]
Source = Literal["engine", "cache", "journal"]

_ROLES, _SOURCES = get_args(Role), get_args(Source)
_FINISHED = ("stop", "length")
_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and where it came from.

    Tokens are as the engine counted them when it answered; `cached_tokens` of the prompt were not computed
    again. `finish_reason` is "stop", or "length" where the answer filled the context and has no end.
    `latency_s` is what the engine took, also when the answer comes from elsewhere now.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    source: Source
    latency_s: float
    cached_tokens: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether its last words are missing."""
        return self.finish_reason == "length"


def answer_of(completion: Completion) -> Answer:
    """An engine's completion as an answer."""
    return Answer(
        text=completion.text,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        finish_reason=completion.finish_reason,
        source="engine",
        latency_s=completion.timings.total_s,
        cached_tokens=completion.cached_tokens,
    )


def document_of(answer: Answer) -> dict[str, Any]:
    """As JSON."""
    return asdict(answer)


def answer_from(document: Any) -> Answer:
    """The answer that `document_of` wrote; raises ValueError for anything else."""
    if not isinstance(document, Mapping):
        raise ValueError("an answer is a JSON object")
    try:
        answer = Answer(**document)
    except TypeError:
        raise ValueError("an answer has other fields") from None
    if not isinstance(answer.text, str) or answer.finish_reason not in _FINISHED:
        raise ValueError("an answer has a text, and ended by stop or by length")
    if answer.source not in _SOURCES or type(answer.latency_s) not in (int, float):
        raise ValueError("an answer has a source and seconds")
    if any(type(getattr(answer, name)) is not int or getattr(answer, name) < 0 for name in _COUNTS):
        raise ValueError("tokens are counts")
    return answer


def role_from(text: Any) -> Role:
    """The role of that name; raises ValueError for none."""
    if text not in _ROLES:
        raise ValueError(f"a role is one of {', '.join(_ROLES)}")
    role: Role = text
    return role
