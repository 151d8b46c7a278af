"""The process that owns a llama.cpp model: `python -m harness.engines.llama_worker`, JSON lines in and out.

It is a process of its own because llama.cpp may take its process down (an illegal instruction, an assertion,
out of memory). The first line says what to load. One thread reads requests and answers what needs no
computing, the main one runs batches. It ends when its input does, so it never outlives its parent.
"""

from __future__ import annotations

import functools
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.engines.gathering import until_quiet
from harness.engines.llama_batch import Admission, Job, News, Scheduler, continuous, static
from harness.engines.llama_choice import Chooser, grammar_sampler
from harness.engines.llama_native import Context, Log, Model, load_model
from harness.engines.llama_prompt import render_chat, schema_grammar
from harness.engines.protocol import Sampling
from harness.engines.text_stream import TextStream
from harness.errors import HarnessError

ADMISSIONS: Mapping[str, Admission] = {"continuous": continuous, "static": static}

Line = dict[str, Any]


class Output:
    """Lines to the parent, from either thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, line: Line) -> None:
        """Write one line whole."""
        data = json.dumps(line).encode() + b"\n"
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data) :]

    def send_news(self, news: News) -> None:
        """Write what a step has to tell."""
        self.send({"pieces": news.pieces, "ends": news.ends, "failures": news.failures})


class Desk:
    """The reading thread's side: answers calls, and passes on checked jobs to the computing thread."""

    def __init__(self, model: Model, context_tokens: int, log: Log, output: Output) -> None:
        self._model = model
        self._context_tokens = context_tokens
        self._log = log
        self._output = output
        self._template = model.chat_template()
        self.inbox: queue.SimpleQueue[Job | Line] = queue.SimpleQueue()

    def read(self, lines: Any) -> None:
        """Serve every line; the end of the input is the end of the process, and so is a bug here."""
        try:
            for text in lines:
                self._answer(json.loads(text))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _answer(self, line: Line) -> None:
        try:
            self._serve(line)
        except HarnessError as error:
            self._output.send({"call": line["call"], "error": error_fields(error)})

    def _serve(self, line: Line) -> None:
        match line["do"]:
            case "tokenize":
                tokens = self._model.tokenize(line["text"], add_special=False)
                self._output.send({"call": line["call"], "tokens": tokens})
            case "submit":
                job = self._job(line)
                self._output.send({"call": line["call"], "prompt_tokens": len(job.prompt)})
                self.inbox.put(job)
            case _:
                self.inbox.put(line)

    def _job(self, line: Line) -> Job:
        sampling = Sampling(**{**line["sampling"], "stop": tuple(line["sampling"]["stop"])})
        prompt = self._prompt(line["prompt"])
        self._check_room(prompt, sampling)
        grammar = schema_grammar(sampling.schema) if sampling.schema is not None else sampling.grammar
        sampler = grammar_sampler(self._model, grammar, self._log, _Printed()) if grammar else None
        needs_chooser = sampler is not None or sampling.temperature > 0
        return Job(
            number=line["call"],
            prompt=prompt,
            max_tokens=sampling.max_tokens,
            text=TextStream(sampling.stop),
            choose=Chooser(self._model, sampling, sampler) if needs_chooser else None,
            ends=frozenset() if sampling.ignore_eos else self._model.ends,
        )

    def _prompt(self, prompt: Line) -> list[int]:
        if "tokens" in prompt:
            return list(prompt["tokens"])
        if "text" in prompt:
            return self._model.tokenize(prompt["text"], add_special=True)
        if self._template is None:
            raise HarnessError(
                "the model file has no chat template",
                where=str(self._model.path),
                next_step="send plain text, or token ids",
            )
        text = render_chat(self._template, prompt["messages"], bos=self._model.bos, eos=self._model.eos)
        return self._model.tokenize(text, add_special=False)

    def _check_room(self, prompt: list[int], sampling: Sampling) -> None:
        if not prompt:
            raise HarnessError("the prompt is empty", where="prompt", allowed="at least one token")
        outside = [token for token in prompt if not 0 <= token < self._model.vocabulary]
        if outside:
            raise HarnessError(
                f"there is no token {outside[0]}",
                where="prompt",
                allowed=f"0 to {self._model.vocabulary - 1}",
            )
        if len(prompt) + sampling.max_tokens > self._context_tokens:
            raise HarnessError(
                f"the prompt has {len(prompt)} tokens, with max_tokens={sampling.max_tokens} "
                f"that is {len(prompt) + sampling.max_tokens}",
                where="prompt",
                allowed=f"{self._context_tokens} together",
                next_step="shorten the prompt, lower max_tokens or raise the engine's context_tokens",
            )


class _Printed:
    """What was printed to standard error, a file, since this was made: the grammar parser's own words."""

    def __init__(self) -> None:
        self._begin = os.fstat(2).st_size

    def __call__(self) -> str:
        try:
            text = os.pread(2, 4096, self._begin).decode("utf-8", "replace")
        except OSError:
            return ""
        return text.partition("\n")[0].removeprefix("parse: ").strip()


def error_fields(error: HarnessError) -> Line:
    """A HarnessError as it crosses the pipe."""
    return {
        "what": error.what,
        "where": error.where,
        "allowed": error.allowed,
        "next_step": error.next_step,
    }


def compute(desk: Desk, scheduler: Scheduler, context: Context, output: Output, *, gathers: int) -> None:
    """The main thread's loop: take in what came, run a batch, tell what it made. Never returns.

    Woken from idleness it waits for up to `gathers` requests that come together.
    """
    passes: list[Line] = []
    while True:
        news = News()
        asleep = scheduler.idle and not passes
        while asleep or not desk.inbox.empty():
            item = desk.inbox.get()
            if asleep:
                until_quiet(desk.inbox, gathers - 1)
                asleep = False
            match item:
                case Job() as job:
                    scheduler.add(job)
                case {"do": "stop", "call": number, "reason": reason}:
                    scheduler.stop(number, reason, news)
                case line:
                    passes.append(line)
        if passes and (sequence := scheduler.borrow()) is not None:
            _forward(passes.pop(0), context, sequence, output)
        # While a pass waits for a sequence nobody else may take one.
        scheduler.step(news, joining=not passes)
        if news:
            output.send_news(news)


def _forward(line: Line, context: Context, sequence: int, output: Output) -> None:
    np.save(line["path"], context.every_logit(sequence, line["tokens"]), allow_pickle=False)
    output.send({"call": line["call"]})


def _open(settings: Line, log: Log, output: Output) -> tuple[Desk, Scheduler, Context]:
    """Load what the first line asks for; HarnessError when that cannot be."""
    model = load_model(Path(settings["path"]), log)
    context_tokens = settings["context_tokens"] or min(model.trained_context, settings["most_context_tokens"])
    if context_tokens > model.trained_context:
        raise HarnessError(
            f"context_tokens={context_tokens} is more than the model was trained for",
            where=str(model.path),
            allowed=f"up to {model.trained_context}",
        )
    parallel, batch_tokens = settings["parallel"], max(settings["batch_tokens"], settings["parallel"])
    prefix_cache = settings["prefix_cache"] and model.keeps_prefixes
    context = Context(
        model,
        log,
        parallel=parallel,
        context_tokens=context_tokens,
        batch_tokens=batch_tokens,
        threads=settings["threads"],
        shares_prefixes=prefix_cache,
    )
    scheduler = Scheduler(
        context,
        functools.cache(model.piece),
        parallel=parallel,
        batch_tokens=batch_tokens,
        prefix_cache=prefix_cache,
        admission=ADMISSIONS[settings["admission"]],
    )
    output.send(
        {
            "context_tokens": context_tokens,
            "vocabulary": model.vocabulary,
            "keeps_prefixes": model.keeps_prefixes,
        }
    )
    return Desk(model, context_tokens, log, output), scheduler, context


def main() -> None:
    """Serve one model until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = Output(os.dup(1))
    # Whatever a library prints must not end up between the lines.
    os.dup2(2, 1)
    lines = sys.stdin
    settings = json.loads(lines.readline())
    log = Log()
    try:
        desk, scheduler, context = _open(settings, log, output)
    except HarnessError as error:
        output.send({"error": error_fields(error)})
        return
    threading.Thread(target=desk.read, args=(lines,), daemon=True).start()
    gathers = settings["parallel"] if settings["admission"] == "static" else 1
    compute(desk, scheduler, context, output, gathers=gathers)


if __name__ == "__main__":
    main()
