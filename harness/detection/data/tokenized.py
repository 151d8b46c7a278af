"""Responses as tokens: the chat as the model's template writes it, and labels token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.detection.data.chunks import response_chunks
from harness.detection.data.responses import Label, Response
from harness.detection.sample import Sample
from harness.errors import HarnessError

Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a text, and the characters [start, end) that each stands for."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


Encode = Callable[[str], Encoded]
Render = Callable[[str], str]
"""The whole chat in front of an answer, given the user's message; it holds the message as it is, or without
the blanks around it."""
_MARK = "(message)"


def samples(responses: Iterable[Response], render: Render, encode: Encode) -> list[Sample]:
    """One sample for each response.

    The chat up to the answer and the answer are encoded apart, as they were when the model wrote it. A token
    is hallucinated when it shares a character with a label, and belongs to the context when it shares one
    with that. Responses without a token are left out. Raises HarnessError for a template that changes a
    message.
    """
    opening = len(render(_MARK).partition(_MARK)[0])
    found = [_sample(response, render, encode, opening) for response in responses]
    return [sample for sample in found if sample is not None]


def _sample(response: Response, render: Render, encode: Encode, opening: int) -> Sample | None:
    chat = render(response.prompt)
    at = _place(chat, response.prompt, opening)
    if at is None:
        raise HarnessError(f"the chat template changes the prompt of response {response.id!r}")
    before, answer = encode(chat), encode(response.text)
    if not answer.ids:
        return None
    start, end = (min(place, len(response.prompt.rstrip())) + at for place in response.context)
    inside = [number for number, span in enumerate(before.spans) if _share(span, start, end)]
    return Sample(
        id=response.id,
        group=response.source_id,
        task=response.task,
        tokens=(*before.ids, *answer.ids),
        prefix=len(before.ids),
        context=(inside[0], inside[-1] + 1) if inside else (0, len(before.ids)),
        labels=token_labels(answer.spans, response.labels),
        chunks=response_chunks(response.text, answer.spans),
    )


def _place(chat: str, prompt: str, opening: int) -> int | None:
    """Where the prompt's first character stands in the chat, or would without the blanks taken off there.

    `opening` is where the template puts messages: a short one may stand elsewhere too.
    """
    for text, off in ((prompt, 0), (prompt.strip(), len(prompt) - len(prompt.lstrip()))):
        at = opening if chat.startswith(text, opening) else chat.rfind(text)
        if at >= 0:
            return at - off
    return None


def token_labels(spans: Spans, labels: Sequence[Label]) -> tuple[bool, ...]:
    """Whether each token shares a character with a label; both are half open."""
    return tuple(any(_share(span, label.start, label.end) for label in labels) for span in spans)


def _share(span: tuple[int, int], start: int, end: int) -> bool:
    return span[0] < end and start < span[1]


def chat(tokenizer: Any, system: str = "") -> Render:
    """`Render` of a transformers tokenizer's chat template; where it has none the bare message, after the
    token that the tokenizer itself begins a text with."""
    first = "" if tokenizer.chat_template else _first_token(tokenizer)

    def render(message: str) -> str:
        if not tokenizer.chat_template:
            return f"{first}{system}\n\n{message}\n" if system else f"{first}{message}\n"
        turns = [{"role": "system", "content": system}] if system else []
        turns.append({"role": "user", "content": message})
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return text

    return render


def _first_token(tokenizer: Any) -> str:
    bos = tokenizer.bos_token
    begins = bos is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return str(bos) if begins else ""


def encoder(tokenizer: Any) -> Encode:
    """`Encode` of a fast transformers tokenizer; raises HarnessError for a slow one, which knows no
    offsets."""
    if not tokenizer.is_fast:
        raise HarnessError(
            "its tokenizer does not say which characters a token stands for",
            allowed="a tokenizer with a tokenizer.json",
        )

    def encode(text: str) -> Encoded:
        found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return Encoded(tuple(found["input_ids"]), tuple(map(tuple, found["offset_mapping"])))

    return encode
