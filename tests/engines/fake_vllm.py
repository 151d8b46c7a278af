"""A stand-in for the parts of vLLM 0.32 that the engine uses, with its names, fields and types.

What it says was recorded from the real objects; test_vllm_cpu.py holds its names against the real package.
The model counts: after token n comes n + 1, up to the vocabulary's end, which is the end of text.
"""

import enum
import importlib.metadata
import queue
import sys
from collections import deque
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

VOCABULARY = 300
END = VOCABULARY - 1


class VLLMError(Exception):
    pass


class VLLMClientError(VLLMError):
    pass


class VLLMServerError(VLLMError):
    pass


class VLLMValidationError(VLLMClientError):
    pass


class EngineDeadError(VLLMServerError):
    def __init__(self) -> None:
        super().__init__("EngineCore encountered an issue. See stack trace (above) for the root cause.")


class RequestOutputKind(enum.Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


@dataclass
class StructuredOutputsParams:
    json: str | dict[str, Any] | None = None
    grammar: str | None = None


@dataclass
class SamplingParams:
    max_tokens: int | None = 16
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: str | list[str] | None = None
    ignore_eos: bool = False
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE
    structured_outputs: StructuredOutputsParams | None = None
    prompt_logprobs: int | None = None
    logprobs: int | None = None
    flat_logprobs: bool = False
    detokenize: bool = True

    def __post_init__(self) -> None:
        if self.temperature < 0.0:
            raise VLLMValidationError(
                f"temperature must be non-negative, got {self.temperature}. "
                f"(parameter=temperature, value={self.temperature})"
            )


@dataclass
class FlatLogprobs:
    start_indices: list[int] = field(default_factory=list)
    end_indices: list[int] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def add(self, after: int | None, target: int | None) -> None:
        """Scores after a token as vLLM sorts them: the target, then all by value; none without a token."""
        self.start_indices.append(len(self.token_ids))
        if after is not None and target is not None:
            best = sorted(range(VOCABULARY), key=lambda token: -score(after, token))
            for token in (target, *best):
                self.token_ids.append(token)
                self.logprobs.append(score(after, token))
        self.end_indices.append(len(self.token_ids))


def score(after: int, token: int) -> float:
    return float(-abs(token - (after + 1)))


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: FlatLogprobs | None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    request_id: str
    prompt: str | None
    prompt_token_ids: list[int] | None
    prompt_logprobs: FlatLogprobs | None
    outputs: list[CompletionOutput]
    finished: bool
    num_cached_tokens: int | None = None


@dataclass
class EngineArgs:
    model: str
    dtype: str
    max_model_len: int
    gpu_memory_utilization: float
    max_num_seqs: int
    max_num_batched_tokens: int
    enable_chunked_prefill: bool
    enable_prefix_caching: bool
    tensor_parallel_size: int
    enforce_eager: bool
    generation_config: str
    seed: int
    disable_log_stats: bool
    max_logprobs: int
    logprobs_mode: str
    quantization: str | None = None
    kv_cache_memory_bytes: int | None = None
    block_size: int | None = None


class Tokenizer:
    chat_template = "yes"

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return list(text.encode())

    def apply_chat_template(
        self, chat: list[dict[str, str]], add_generation_prompt: bool, tokenize: bool
    ) -> str:
        assert add_generation_prompt
        assert not tokenize
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in chat)


@dataclass
class _Sequence:
    prompt: list[int]
    params: SamplingParams
    made: list[int] = field(default_factory=list)


class LLMEngine:
    """Steps like vLLM: at most `max_num_seqs` requests go on by one token, the others wait."""

    def __init__(self, args: EngineArgs) -> None:
        self.args = args
        self.model_config = SimpleNamespace(get_vocab_size=lambda: VOCABULARY)
        self.engine_core = SimpleNamespace(
            shutdown=self._shut_down,
            resources=SimpleNamespace(engine_dead=False),
            outputs_queue=queue.SimpleQueue(),
        )
        self.sequences: dict[str, _Sequence] = {}
        self.added: list[tuple[str, SamplingParams]] = []
        self.aborted: list[str] = []
        self.shut_down = 0
        self.dies_after_steps = -1
        self.killed = False
        self.odd_finish_reason = ""

    @classmethod
    def from_engine_args(cls, engine_args: EngineArgs) -> "LLMEngine":
        ENGINES.append(cls(engine_args))
        return ENGINES[-1]

    def get_tokenizer(self) -> Tokenizer:
        return Tokenizer()

    def add_request(self, request_id: str, prompt: dict[str, Any], params: SamplingParams) -> str:
        if max(prompt["prompt_token_ids"]) >= VOCABULARY:
            raise VLLMValidationError("Token id is out of vocabulary")
        self.added.append((request_id, params))
        self.sequences[request_id] = _Sequence(prompt["prompt_token_ids"], params)
        return f"{request_id}-0123abcd"

    def abort_request(self, request_ids: list[str]) -> None:
        self.aborted += request_ids
        for request_id in request_ids:
            del self.sequences[request_id]

    def step(self) -> list[RequestOutput]:
        assert self.sequences, "vLLM would wait for ever"
        if self.dies_after_steps == 0:
            raise EngineDeadError
        self.dies_after_steps -= 1
        if self.killed:
            self.engine_core.resources.engine_dead = True
            self.engine_core.outputs_queue.get(timeout=30)
            raise EngineDeadError
        active = list(self.sequences.items())[: self.args.max_num_seqs]
        outputs = [self._advance(request_id, sequence) for request_id, sequence in active]
        return [output for output in outputs if output is not None]

    def _advance(self, request_id: str, sequence: _Sequence) -> RequestOutput | None:
        params = sequence.params
        last = [*sequence.prompt, *sequence.made][-1]
        token = min(last + 1, END)
        sequence.made.append(token)
        reason = None
        if token == END and not params.ignore_eos:
            reason = "stop"
        elif len(sequence.made) == params.max_tokens:
            reason = "length"
        if reason:
            del self.sequences[request_id]
            reason = self.odd_finish_reason or reason
        elif params.output_kind is RequestOutputKind.FINAL_ONLY:
            return None
        scores = prompt_scores = None
        if params.prompt_logprobs == -1:
            scores, prompt_scores = FlatLogprobs(), FlatLogprobs()
            scores.add(last, token)
            for after, target in zip([None, *sequence.prompt], sequence.prompt, strict=False):
                prompt_scores.add(after, target)
        text = chr(token) if token < 128 and params.detokenize else ""
        made = CompletionOutput(0, text, [token], None, scores, finish_reason=reason)
        return RequestOutput(
            request_id, None, sequence.prompt, prompt_scores, [made], reason is not None, num_cached_tokens=2
        )

    def _shut_down(self) -> None:
        self.shut_down += 1


ENGINES: deque[LLMEngine] = deque(maxlen=8)


def tokens_input(prompt_token_ids: list[int]) -> dict[str, Any]:
    return {"type": "token", "prompt_token_ids": prompt_token_ids}


MODULES: dict[str, list[Any]] = {
    "vllm": [],
    "vllm.engine": [],
    "vllm.engine.arg_utils": [EngineArgs],
    "vllm.exceptions": [VLLMError, VLLMClientError, VLLMServerError, VLLMValidationError],
    "vllm.inputs": [],
    "vllm.inputs.engine": [tokens_input],
    "vllm.sampling_params": [RequestOutputKind, SamplingParams, StructuredOutputsParams],
    "vllm.v1": [],
    "vllm.v1.engine": [],
    "vllm.v1.engine.llm_engine": [LLMEngine],
}


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import vllm` finds this for the length of one test."""
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"vllm": ["vllm"]})
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.32.0")
    for name, contents in MODULES.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        for content in contents:
            setattr(module, content.__name__, content)
        monkeypatch.setitem(sys.modules, name, module)
