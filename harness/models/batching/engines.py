"""The engines of the batching table: every one that can serve a checkpoint on this machine's CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.engines.batching_table import Batching, Contender
from harness.engines.endpoint import EndpointEngine
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import served, transformers
from harness.engines.protocol import Engine, Request
from harness.engines.server import running
from harness.engines.server_kinds import ServerSpec
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_batching import Batching as TransformersBatching
from harness.engines.transformers_padded import Padded, Sequential
from harness.engines.transformers_paged import Paged
from harness.engines.transformers_slots import Slots
from harness.models.gguf.quantize import quantize

CONTEXT = 512
_PAGE = 64
# transformers serve takes no ignore_eos, but a whole generation config; no token has this id
_WITHOUT_END = {"generation_config": json.dumps({"eos_token_id": -1, "pad_token_id": 0, "do_sample": False})}


def contenders(model: Path, parallel: int) -> list[Contender]:
    """All of them, each for up to `parallel` requests at once, prefix caches off. Nothing starts yet."""
    blocks = parallel * CONTEXT // _PAGE
    found = [
        _transformers(model, "sequential", "sequential", Sequential()),
        _transformers(model, "sequential, static cache", "sequential", Sequential(), static_cache=True),
        _transformers(
            model, "sequential, compiled", "sequential", Sequential(), static_cache=True, compiled=True
        ),
        _transformers(model, "padded", "static", Padded(parallel)),
        _transformers(model, "slots", "continuous", Slots(parallel)),
        _transformers(model, "paged", "continuous", Paged(parallel, blocks=blocks, block_tokens=_PAGE)),
    ]
    for precision in ("F16", "Q4_K_M"):
        found += [
            _llama_cpp(model, precision, "sequential", 1),
            _llama_cpp(model, precision, "static", parallel),
            _llama_cpp(model, precision, "continuous", parallel),
        ]
    server = Contender(
        "xllamacpp F16", "xllamacpp F16 server", "continuous", partial(_xllamacpp, model, parallel)
    )
    serve = Contender(
        "transformers serve",
        "transformers serve",
        "continuous",
        partial(_transformers_serve, model, parallel),
        ask=_said_otherwise,
    )
    spec = ServerSpec(model, engine="vllm", parallel=parallel, context=CONTEXT, prefix_cache=False)
    return [*found, server, serve, Contender("vllm", "vllm server", "continuous", partial(served, spec))]


def _transformers(
    model: Path,
    name: str,
    batching: Batching,
    how: TransformersBatching,
    *,
    static_cache: bool = False,
    compiled: bool = False,
) -> Contender:
    settings = TransformersSettings(model, how, static_cache=static_cache, compile=compiled)
    start = partial(transformers, settings, on_cpu=True)
    return Contender("transformers", f"transformers {name}", batching, start)


def _llama_cpp(model: Path, precision: str, batching: Batching, parallel: int) -> Contender:
    def start() -> AbstractContextManager[Engine]:
        return LlamaCppEngine(
            quantize(model, precision),
            parallel=parallel,
            context_tokens=CONTEXT,
            batching="static" if batching == "static" else "continuous",
            prefix_cache=False,
        )

    family = f"llama_cpp {precision}"
    return Contender(family, f"{family} {batching}", batching, start)


def _xllamacpp(model: Path, parallel: int) -> AbstractContextManager[Engine]:
    file = quantize(model, "F16")
    return served(ServerSpec(file, parallel=parallel, context=CONTEXT, prefix_cache=False))


@contextmanager
def _transformers_serve(model: Path, parallel: int) -> Iterator[Engine]:
    spec = ServerSpec(model, engine="transformers", parallel=parallel, context=CONTEXT)
    with (
        running(spec) as server,
        closing(
            EndpointEngine(server.url, dialect=server.dialect, concurrency=parallel, extra=_WITHOUT_END)
        ) as engine,
    ):
        yield engine


def _said_otherwise(request: Request) -> Request:
    """Without `ignore_eos`, which `_WITHOUT_END` says to this server."""
    return replace(request, sampling=replace(request.sampling, ignore_eos=False))
