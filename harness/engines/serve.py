"""`harness serve`: an OpenAI-compatible server on this machine, until it is stopped."""

from __future__ import annotations

import argparse
import functools
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from harness.engines.protocol import EngineFailure
from harness.engines.server import Running, running
from harness.engines.server_kinds import ServerSpec
from harness.engines.transport import LOOPBACK
from harness.errors import EXIT_DONE, EXIT_INFRASTRUCTURE, HarnessError

GgufFor = Callable[[Path, str], Path]
"""The GGUF file of a checkpoint folder in a precision such as Q4_K_M, made if need be."""

_GGUF_PRECISION = "Q4_K_M"
_MOST_CONTEXT = 4096


def add_options(
    parser: argparse.ArgumentParser, gguf_for: GgufFor, default_model: Callable[[], Path] | None = None
) -> None:
    """The options of `harness serve`, and what runs it; `--model` is needed without a `default_model`."""
    parser.add_argument(
        "--engine", choices=("xllamacpp", "transformers", "vllm"), default="xllamacpp",
        help="llama.cpp's server in xllamacpp, `transformers serve`, or vLLM's [%(default)s]",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=Path, required=default_model is None, metavar="PATH",
        help="GGUF file, or checkpoint folder" + ("" if default_model is None else " [the embedded model]"),
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at [%(default)s]")
    parser.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one [%(default)s]")
    parser.add_argument("--parallel", type=int, default=8, metavar="N", help="requests at once [%(default)s]")
    parser.add_argument(
        "--context",
        type=int,
        default=0,
        metavar="N",
        help=f"tokens of each request, answer included [the model's, at most {_MOST_CONTEXT}]",
    )
    parser.add_argument(
        "--quantization", default="", metavar="NAME",
        help=f"xllamacpp: of a checkpoint folder [{_GGUF_PRECISION}]; "
        "transformers: int8 or nf4, vllm: fp8 and others [none]",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="processor threads [the engine's choice]"
    )
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="the server's output [kept only if it fails]"
    )
    parser.set_defaults(run=functools.partial(run, gguf_for=gguf_for, default_model=default_model))


def run(
    options: argparse.Namespace, gguf_for: GgufFor, default_model: Callable[[], Path] | None = None
) -> int:
    """Serve until Ctrl-C or SIGTERM: 0. HarnessError for a mistake (4) and for a server that failed (21)."""
    spec = spec_of(options, gguf_for, default_model)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(spec) as server:
            sys.stdout.write(_greeting(server))
            sys.stdout.flush()
            raise server.wait()
    except KeyboardInterrupt:
        return EXIT_DONE
    except EngineFailure as failure:
        raise HarnessError(str(failure), exit_code=EXIT_INFRASTRUCTURE) from None


def spec_of(
    options: argparse.Namespace, gguf_for: GgufFor, default_model: Callable[[], Path] | None
) -> ServerSpec:
    """The server that the options ask for; HarnessError for what no server can have."""
    for name, least, most in (
        ("port", 0, 65_535),
        ("parallel", 1, 1024),
        ("context", 0, 2**24),
        ("threads", 0, 1024),
    ):
        if not least <= getattr(options, name) <= most:
            allowed = f"{least} to {most}"
            raise HarnessError(f"is {getattr(options, name)}", where=f"--{name}", allowed=allowed)
    model = options.model
    if model is None:
        assert default_model is not None, "argparse asks for --model"
        model = default_model()
    if not model.exists():
        raise HarnessError(
            "there is no such model", where=str(model), allowed="a GGUF file or a checkpoint folder"
        )
    context = context_for(model, options.context)
    quantization = options.quantization
    if options.engine == "xllamacpp" and model.is_dir():
        model, quantization = gguf_for(model, quantization or _GGUF_PRECISION), ""
    return ServerSpec(
        model=model, engine=options.engine, host=options.host, port=options.port, parallel=options.parallel,
        context=context, quantization=quantization, threads=options.threads, log=options.log,
    )  # fmt: skip


def context_for(model: Path, asked: int) -> int:
    """Tokens of each request: as asked for; with 0 as many as the model takes, at most 4096.

    A checkpoint folder says what it was trained for; HarnessError when more is asked for. A GGUF file's limit
    is left to the server.
    """
    trained = _trained_for(model / "config.json")
    if not asked:
        return min(trained or _MOST_CONTEXT, _MOST_CONTEXT)
    if trained and asked > trained:
        raise HarnessError(
            f"is {asked}, more than the model was trained for", where="--context", allowed=f"up to {trained}"
        )
    return asked


def _trained_for(config: Path) -> int | None:
    """None when the file does not tell, or is not there: the server then says what is wrong."""
    try:
        told = json.loads(config.read_text(encoding="utf-8"))["max_position_embeddings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told if isinstance(told, int) and told > 0 else None


def _greeting(server: Running) -> str:
    spec = server.spec
    lines = [
        f"{spec.model.name} with {spec.engine} at {server.url}/v1",
        f"up to {spec.parallel} requests at once, up to {spec.context} tokens each; Ctrl-C stops it",
    ]
    if spec.host not in LOOPBACK:
        lines.append(f"{spec.host} is open to other machines, and the server asks for no key")
    return "\n".join(lines) + "\n"
