"""Our models behind dspy's engine interface (dspy 3.4)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from harness.calls.model import Model
from harness.engines.protocol import Message, Request, Sampling
from harness.prompts.packages import package


class ModelBehindDspy:
    """dspy's engine: hands each request to a `Model`, with our sampling, and counts what is open.

    dspy scores a failed call 0 and goes on. So the first failure is kept, and every later call is refused
    unsent: `failure` says afterwards that the scores are worth nothing.
    """

    def __init__(self, model: Model, sampling: Sampling) -> None:
        self._model = model
        self._sampling = sampling
        self._lm15 = package("dspy.lm15")
        self._lock = threading.Lock()
        self._open = 0
        self.calls = 0
        self.peak_open = 0
        self.failure: Exception | None = None

    def complete(self, request: Any) -> Any:
        """dspy's `Response` to its `Request`."""
        with self._lock:
            if self.failure is not None:
                raise self.failure
            self.calls += 1
            self._open += 1
            self.peak_open = max(self.peak_open, self._open)
        try:
            (answer,) = self._model.answers([Request(_messages(request), self._sampling)])
        except Exception as failure:
            with self._lock:
                self.failure = self.failure or failure
            raise
        finally:
            with self._lock:
                self._open -= 1
        tokens = answer.prompt_tokens, answer.completion_tokens
        return self._lm15.Response(
            id=None,
            model=request.model,
            message=self._lm15.Message.assistant(answer.text),
            finish_reason=answer.finish_reason,
            usage=self._lm15.Usage(input_tokens=tokens[0], output_tokens=tokens[1], total_tokens=sum(tokens)),
        )

    def stream(self, request: Any) -> Iterator[Any]:
        """The response in one piece."""
        events: Iterator[Any] = self._lm15.response_to_events(self.complete(request))
        return events

    def close(self) -> None:
        """Nothing: the model is the caller's."""


def language_model(engine: ModelBehindDspy, role: str) -> Any:
    """dspy's LM over it: no cache and no retries of dspy's own, which ours would not know of."""
    return package("dspy").LM(f"harness/{role}", engine=engine, cache=False, num_retries=0)


def _messages(request: Any) -> tuple[Message, ...]:
    """The chat of dspy's request; its system message may come in parts."""
    messages = [Message(each.role, each.text or "") for each in request.messages]
    if request.system is None:
        return tuple(messages)
    system = request.system
    text = system if isinstance(system, str) else "".join(part.text for part in system)
    return (Message("system", text), *messages)
