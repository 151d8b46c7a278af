"""Engines that are opened for a measurement: what each needs to start, and an end for those no longer used.

An arm of a benchmark has no moment at which it is told to let go of what it prepared. Two engines are
what a pair of arms needs, so `opened` closes the oldest one before it opens a third, and all at exit.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from harness.engines import vllm
from harness.engines.endpoint import EndpointEngine
from harness.engines.protocol import Engine
from harness.engines.server import running
from harness.engines.server_kinds import ServerSpec
from harness.engines.transformers import Transformers, TransformersSettings, load
from harness.engines.vllm_settings import settings_for_row
from harness.errors import HarnessError
from harness.hardware.models import hub_folder, weights_folder
from harness.hardware.rows import Checkpoint, Row

E = TypeVar("E")

# More than any benchmark has threads: the clients, not the connection, are what is compared.
_CLIENTS = 256

KEPT = 2
_open: deque[ExitStack] = deque()


def opened(start: Callable[[], AbstractContextManager[E]], *, kept: int = KEPT) -> E:
    """What `start` opens, at most `kept` engines being open then; open until later ones or the exit end it.

    `kept` 1 closes all others first: for an engine that takes nearly all of a card's memory.
    """
    while len(_open) >= kept:
        _open.popleft().close()
    with ExitStack() as stack:
        engine = stack.enter_context(start())
        _open.append(stack.pop_all())
    return engine


def close_all() -> None:
    """Close everything that `opened` has opened."""
    while _open:
        _open.popleft().close()


atexit.register(close_all)


@contextmanager
def transformers(settings: TransformersSettings, *, on_cpu: bool) -> Iterator[Transformers]:
    """A transformers engine, on the CPU or on the first CUDA card (the CPU when there is none)."""
    with closing(load(replace(settings, device="cpu" if on_cpu else ""))) as engine:
        yield engine


def checkpoint_path(checkpoint: Checkpoint) -> Path:
    """Where the weights lie on this machine; raises HarnessError with the command that supplies them."""
    found = weights_folder(checkpoint, Path.cwd(), hub_folder(os.environ, Path.home()))
    if found is None:
        raise HarnessError("no weights here", where=checkpoint.location, next_step=checkpoint.supply)
    return found


def serving_engine(checkpoint: Checkpoint, row: Row, **changes: Any) -> AbstractContextManager[Engine]:
    """vLLM as the row documents it, with some settings changed, or the endpoint that was given instead.

    Raises HarnessError for changes to an endpoint: its settings are its own.
    """
    if checkpoint.engine != "endpoint":
        settings = settings_for_row(str(checkpoint_path(checkpoint)), row)
        return closing(vllm.load(replace(settings, **changes)))
    if changes:
        raise HarnessError(
            f"the settings {', '.join(sorted(changes))} of a server that is running cannot be changed",
            where=checkpoint.location,
            next_step="run this benchmark without --endpoint",
        )
    return closing(EndpointEngine(checkpoint.location, dialect="vllm", concurrency=_CLIENTS))


@contextmanager
def served(spec: ServerSpec) -> Iterator[EndpointEngine]:
    """A server of its own and the engine that talks to it."""
    with (
        running(spec) as server,
        closing(EndpointEngine(server.url, dialect=server.dialect, concurrency=spec.parallel)) as engine,
    ):
        yield engine
