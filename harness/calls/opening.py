"""Opens the model that a run asks: a checkpoint of this machine at a precision, or an endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from harness.calls.answer import Role
from harness.calls.cache import ResponseCache
from harness.calls.identity import Identity, identify_endpoint, identify_weights
from harness.calls.journal import Journal
from harness.calls.listing import listed_model
from harness.calls.model import Model
from harness.calls.price import FREE, Price
from harness.calls.tally import Tally
from harness.engines.endpoint import KEY_VARIABLE, EndpointEngine
from harness.engines.protocol import Engine
from harness.engines.transport import Limits
from harness.errors import HarnessError
from harness.models.embedded import DEFAULT, model_folder

GGUF = ".gguf"
EngineKind = Literal["llama.cpp", "transformers"]


@dataclass(frozen=True, slots=True)
class Local:
    """A model of this machine: a shipped one by name, a checkpoint folder, or a GGUF file for llama.cpp.

    `precision` is what a GGUF file is said to hold; of the others it is one of llama.cpp's (Q4_K_M, Q8_0,
    BF16), or for transformers one of those that `harness models evaluate` knows (bf16, fp8, int8, nf4,
    gptq4). `calibration` is the task whose training prompts GPTQ is calibrated on.
    """

    model: str = DEFAULT
    precision: str = "Q8_0"
    engine: EngineKind = "llama.cpp"
    context_tokens: int | None = None
    calibration: str = "entities"
    price: Price = FREE


@dataclass(frozen=True, slots=True)
class Remote:
    """An OpenAI-compatible server.

    Without `base_url`, URL and key come from OPENAI_BASE_URL and OPENAI_API_KEY; with it a key is sent only
    when `key_variable` names its environment variable. Without `model` the first one that it lists is asked.
    `quantization` and `weights` are what the user says of it, for the identity. `context_tokens` is needed
    where the server does not tell, to ask again for answers that were cut.
    """

    base_url: str = ""
    model: str = ""
    key_variable: str = ""
    dialect: str = "openai"
    context_tokens: int | None = None
    quantization: str = ""
    weights: str = ""
    limits: Limits = field(default_factory=Limits)
    price: Price = FREE


@dataclass(frozen=True, slots=True)
class Opened:
    """A running engine and who it is: what a journal's fingerprint needs before there is a journal."""

    engine: Engine
    identity: Identity
    threads: int
    price: Price = FREE

    def model(
        self,
        role: Role,
        *,
        cache: ResponseCache | None = None,
        journal: Journal | None = None,
        tally: Tally | None = None,
    ) -> Model:
        """The model in one role."""
        return Model(
            self.engine,
            self.identity,
            role=role,
            threads=self.threads,
            cache=cache,
            journal=journal,
            tally=tally,
            price=self.price,
        )


@contextmanager
def opened(where: Local | Remote, threads: int) -> Iterator[Opened]:
    """The model, with room for `threads` requests at once; closed at the end.

    Raises HarnessError for a model, precision, URL or key that is none, EngineFailure for a server that
    cannot be reached and for a quantization that failed.
    """
    if isinstance(where, Remote):
        opening = _remote(where, threads)
    elif where.engine == "llama.cpp":
        opening = _llama_cpp(where, threads)
    else:
        opening = _transformers(where, threads)
    with opening as one:
        yield one


@contextmanager
def _remote(where: Remote, threads: int) -> Iterator[Opened]:
    key_variable = where.key_variable
    if not where.base_url and not key_variable and os.environ.get(KEY_VARIABLE):
        key_variable = KEY_VARIABLE
    engine = EndpointEngine(
        where.base_url or None,
        model=where.model,
        key_variable=key_variable,
        dialect=where.dialect,
        concurrency=threads,
        context_tokens=where.context_tokens,
        limits=where.limits,
    )
    with closing(engine):
        listed = listed_model(engine.url, where.model, key_variable=key_variable, limits=where.limits)
        identity = identify_endpoint(
            engine.url,
            listed,
            engine=f"endpoint ({where.dialect})",
            quantization=where.quantization,
            weights=where.weights,
        )
        yield Opened(engine, identity, threads, where.price)


@contextmanager
def _llama_cpp(where: Local, threads: int) -> Iterator[Opened]:
    from harness.engines.llama_cpp import LlamaCppEngine
    from harness.models.gguf.quantize import quantize

    if where.model.endswith(GGUF):
        path, name = Path(where.model), Path(where.model).stem
        if not path.is_file():
            raise HarnessError("there is no such file", where=where.model, allowed="a GGUF file")
    else:
        folder = model_folder(where.model)
        path, name = quantize(folder, where.precision), folder.name
    with LlamaCppEngine(path, parallel=threads, context_tokens=where.context_tokens) as engine:
        identity = identify_weights(
            path,
            engine=f"llama.cpp (llama-cpp-python {version('llama-cpp-python')})",
            quantization=where.precision,
            model=name,
        )
        yield Opened(engine, identity, threads, where.price)


@contextmanager
def _transformers(where: Local, threads: int) -> Iterator[Opened]:
    from harness.models.precisions.engines import opener
    from harness.models.precisions.evaluate import Precision

    folder = model_folder(where.model)
    _check_precision(where.precision)
    with opener(where.calibration)(folder, Precision(where.precision, "transformers")) as loaded:
        yield Opened(loaded.engine, _transformers_identity(folder, where.precision), threads, where.price)


def _check_precision(name: str) -> None:
    from harness.models.precisions.engines import PRECISIONS

    known = [precision.name for precision in PRECISIONS if precision.engine == "transformers"]
    if name not in known:
        raise HarnessError(
            f"transformers has no precision {name!r}", where="precision", allowed=", ".join(known)
        )


def _transformers_identity(folder: Path, precision: str) -> Identity:
    return identify_weights(
        folder,
        engine=f"transformers {version('transformers')} (torch {version('torch')}, float32)",
        quantization=precision,
        model=folder.name,
    )
