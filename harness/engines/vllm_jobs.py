"""One request inside vLLM: what goes in and what becomes of what comes out."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.engines.protocol import (
    Completion,
    EngineFailure,
    FinishReason,
    Piece,
    Sampling,
    Ticket,
)
from harness.errors import HarnessError

_WATCH_S = 0.5


class Job(Protocol):
    """Takes what the steps make for it, and ends well, stopped or failed. `params` are vLLM's."""

    prompt: Sequence[int]
    params: Any

    @property
    def stop_reason(self) -> FinishReason | None:
        """Why its caller does not want it any more, or None."""
        ...

    def take(self, output: Any) -> None:
        """One `RequestOutput`: what a step added."""
        ...

    def stop(self, reason: FinishReason) -> None:
        """End it with what there is."""
        ...

    def fail(self, error: Exception) -> None:
        """End it with an error."""
        ...


@dataclass(slots=True)
class Generation:
    """A ticket and its tokens so far."""

    prompt: Sequence[int]
    params: Any
    ticket: Ticket
    parts: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    cached_tokens: int = 0

    @property
    def stop_reason(self) -> FinishReason | None:
        return self.ticket.stop_reason

    def take(self, output: Any) -> None:
        made = output.outputs[0]
        self.cached_tokens = output.num_cached_tokens or 0
        ids = answer_ids(made)
        self.parts.append(made.text)
        self.token_ids.extend(ids)
        if made.text or ids:
            self.ticket.put(Piece(made.text, tuple(ids)))
        if not output.finished:
            return
        if made.finish_reason in ("stop", "length"):
            self.stop(made.finish_reason)
        else:
            self.fail(EngineFailure(f"vLLM ended the request with {made.finish_reason!r}", retryable=True))

    def stop(self, reason: FinishReason) -> None:
        self.ticket.finish(
            Completion(
                text="".join(self.parts),
                token_ids=tuple(self.token_ids),
                prompt_tokens=len(self.prompt),
                completion_tokens=len(self.token_ids),
                finish_reason=reason,
                timings=self.ticket.timings(),
                cached_tokens=self.cached_tokens,
            )
        )

    def fail(self, error: Exception) -> None:
        self.ticket.fail(error)


@dataclass(slots=True)
class Scoring:
    """One teacher-forced pass; its result is vLLM's whole output."""

    prompt: Sequence[int]
    params: Any
    result: Future[Any] = field(default_factory=Future)

    @property
    def stop_reason(self) -> FinishReason | None:
        return None

    def take(self, output: Any) -> None:
        self.result.set_result(output)

    def stop(self, reason: FinishReason) -> None:
        raise AssertionError("a scoring has no ticket that could stop it")

    def fail(self, error: Exception) -> None:
        self.result.set_exception(error)


def answer_ids(made: Any) -> Sequence[int]:
    """The token ids of one `CompletionOutput` that belong to the answer: all but the token that ended it.

    vLLM hands that one out with the rest. Where a stop string ends the answer (its name is then the
    `stop_reason`), the last token is one like any other.
    """
    is_ended_by_token = made.finish_reason == "stop" and not isinstance(made.stop_reason, str)
    ids: Sequence[int] = made.token_ids[:-1] if is_ended_by_token else made.token_ids
    return ids


def add(core: Any, number: str, job: Job) -> None:
    """Hand the job to vLLM's engine; raises HarnessError when vLLM refuses it."""
    inputs = importlib.import_module("vllm.inputs.engine")
    dead = importlib.import_module("vllm.exceptions").VLLMServerError
    try:
        core.add_request(number, inputs.tokens_input(list(job.prompt)), job.params)
    except dead:
        raise
    except Exception as error:  # vLLM raises whatever its checks happen to
        raise HarnessError(f"vLLM refuses the request: {error}") from error


def tell_the_dead(core: Any, closing: threading.Event) -> None:
    """Wake up whoever waits for a killed engine's output; returns when that happened or with `closing`.

    vLLM 0.32 notices when its engine's process is killed, and says so to the next call, but the call that is
    waiting (SyncMPClient.get_output) would wait for ever.
    """
    client = core.engine_core
    while not closing.wait(_WATCH_S):
        if client.resources.engine_dead:
            client.outputs_queue.put_nowait(EngineFailure("dead"))
            return


def sampling_params(sampling: Sampling, room: int) -> Any:
    """vLLM's SamplingParams, at most `room` tokens; HarnessError when vLLM refuses them.

    Greedy ones have no seed, which would cost a random generator per request.
    """
    if sampling.schema is not None and sampling.grammar:
        raise HarnessError("a request can have a schema or a grammar, not both")
    vllm = importlib.import_module("vllm.sampling_params")
    constraint = None
    try:
        if sampling.schema is not None:
            constraint = vllm.StructuredOutputsParams(json=dict(sampling.schema))
        elif sampling.grammar:
            constraint = vllm.StructuredOutputsParams(grammar=sampling.grammar)
        return vllm.SamplingParams(
            max_tokens=min(sampling.max_tokens, room),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            seed=sampling.seed if sampling.temperature > 0 else None,
            stop=list(sampling.stop),
            ignore_eos=sampling.ignore_eos,
            output_kind=vllm.RequestOutputKind.DELTA,
            structured_outputs=constraint,
        )
    except Exception as error:  # vLLM raises whatever its checks happen to
        raise HarnessError(f"vLLM refuses the sampling: {error}") from error


def scoring_params() -> Any:
    """Scores of every token at every position; one token has to be generated, for the last row."""
    vllm = importlib.import_module("vllm.sampling_params")
    return vllm.SamplingParams(
        max_tokens=1,
        temperature=0.0,
        prompt_logprobs=-1,
        logprobs=-1,
        flat_logprobs=True,
        detokenize=False,
        output_kind=vllm.RequestOutputKind.FINAL_ONLY,
    )


def logits(output: Any, vocabulary: int) -> Any:
    """Float32 [tokens, vocabulary] from vLLM's flat lists, whose entries come sorted by value.

    The prompt's scores have an empty entry for the first token; the last row is the generated token's.
    """
    import numpy as np

    rows = [
        (flat, start, end)
        for flat in (output.prompt_logprobs, output.outputs[0].logprobs)
        for start, end in zip(flat.start_indices, flat.end_indices, strict=True)
        if start < end
    ]
    table = np.full((len(rows), vocabulary), np.nan, dtype=np.float32)
    for row, (flat, start, end) in zip(table, rows, strict=True):
        row[flat.token_ids[start:end]] = flat.logprobs[start:end]
    if np.isnan(table).any():
        raise EngineFailure("vLLM did not hand over the logits of the whole vocabulary")
    return table
