"""How many calls a run keeps open: what the server holds, or all there is to do, whichever is less."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from harness.calls.opening import Local, Remote
from harness.costmodel.known_models import find_model
from harness.engines.accounting import Ledger
from harness.engines.endpoint import KEY_VARIABLE, key_of, server_url
from harness.engines.protocol import EngineFailure
from harness.engines.transport import Limits, Transport
from harness.errors import HarnessError
from harness.hardware import load_matrix
from harness.models.embedded import project_root
from harness.prompts.command.data import Data
from harness.prompts.rules import MOST_REMOTE_THREADS, get_num_threads
from harness.prompts.sizing import Stated, capacity_for, useful_threads

URL_VARIABLE = "OPENAI_BASE_URL"
LOCAL_SLOTS = 8
"""Slots of a local engine: more brought a model of a few MiB on two cores nothing (docs/engines.md)."""
_BLOCKS = re.compile(r"vllm:cache_config_info\{([^}]*)\}")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Threads, and what decides them."""
    group = parser.add_argument_group("threads", "calls that are open at once")
    group.add_argument("--threads", type=int, metavar="N", help="[what the server can hold and GEPA can use]")
    group.add_argument("--row", metavar="NAME", help="hardware row of the server: its capacity is modelled")
    group.add_argument("--shape", default="qwen3-4b", metavar="MODEL", help="its model's shape [%(default)s]")


def choose_threads(options: argparse.Namespace, task: Local | Remote | None, data: Data) -> tuple[int, str]:
    """(threads, why so many)."""
    for name in ("threads", "minibatch", "prompt_tokens", "answer_tokens"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise HarnessError(f"--{name.replace('_', '-')} is {value}", allowed="1 and more")
    if options.row and options.row not in (rows := load_matrix(options.matrix).rows):
        raise HarnessError(f"no row {options.row!r}", where="--row", allowed=", ".join(rows))
    if options.threads is not None:
        return options.threads, "as given"
    train, validation, _ = data.sizes
    if options.documented:
        return get_num_threads(train + validation, options.remote), "the document's rule"
    capacity, why = _capacity(options, task)
    passes = -(-train // options.minibatch)
    return useful_threads(capacity, min(options.minibatch, train), passes, validation), why


def _capacity(options: argparse.Namespace, task: Local | Remote | None) -> tuple[float, str]:
    if task is None:
        return MOST_REMOTE_THREADS, "slots of the scripted model"
    if isinstance(task, Local):
        return LOCAL_SLOTS, f"{LOCAL_SLOTS} slots of the local engine"
    key_variable = KEY_VARIABLE if os.environ.get(KEY_VARIABLE) else ""
    key_of(key_variable)
    given = task.base_url or os.environ.get(URL_VARIABLE, "")
    # a URL that is none, or holds a password, is refused before anything is sent there
    stated = stated_by(server_url(given), key_variable) if given else Stated()
    if options.row:
        matrix = load_matrix(options.matrix)
        shape = find_model(options.shape)
        sampled = options.prompt_tokens, options.answer_tokens
        weights = options.quantization or "bf16"
        capacity = capacity_for(matrix.rows[options.row], shape, weights, *sampled, stated=stated)
        return capacity, f"{capacity:.1f} requests of {sum(sampled):,} tokens (modelled for {options.row})"
    if stated.slots is not None:
        return stated.slots, f"{stated.slots} slots, as the server says"
    if stated.kv_tokens is not None:
        held = stated.kv_tokens / (options.prompt_tokens + options.answer_tokens)
        return held, f"{stated.kv_tokens:,} tokens of KV cache, as the server says"
    return MOST_REMOTE_THREADS, "the document's cap, since the server states nothing; give --row or --threads"


def stated_by(url: str, key_variable: str = "", limits: Limits | None = None) -> Stated:
    """What a server says it holds: vLLM in /metrics, llama.cpp in /props; nothing where neither is served."""
    parts = urlsplit(url)
    root = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/").removesuffix("/v1"), "", ""))
    key = os.environ.get(key_variable, "").strip() if key_variable else ""
    metrics, properties = asyncio.run(_pages(root, key, key_variable, limits or Limits(tries=1)))
    found = _BLOCKS.search(metrics)
    labels = dict(_LABEL.findall(found[1])) if found else {}
    blocks, size = labels.get("num_gpu_blocks", ""), labels.get("block_size", "")
    kv_tokens = int(blocks) * int(size) if blocks.isdecimal() and size.isdecimal() else None
    return Stated(kv_tokens=kv_tokens, slots=_slots(properties))


def _slots(properties: str) -> int | None:
    try:
        slots = json.loads(properties)["total_slots"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return slots if type(slots) is int and slots > 0 else None


async def _pages(root: str, key: str, key_variable: str, limits: Limits) -> list[str]:
    transport = Transport(root, Ledger(), key, key_variable, limits)
    try:
        return [await _page(transport, path) for path in ("/metrics", "/props")]
    finally:
        await transport.close()


async def _page(transport: Transport, path: str) -> str:
    try:
        return (await transport.ask("GET", path, None, _whole)).decode("utf-8", "replace")
    except (HarnessError, EngineFailure):  # it is asked for advice only: the run itself says what is wrong
        return ""


async def _whole(chunks: AsyncIterator[bytes], _content_type: str) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def matrix_option(parser: argparse.ArgumentParser, matrix: Path) -> None:
    """Where --row is looked up, and how long a request is."""
    there = matrix if matrix.is_file() else project_root() / matrix.name
    parser.add_argument("--matrix", type=Path, default=there, metavar="FILE", help="hardware matrix")
    parser.add_argument(
        "--prompt-tokens", type=int, default=1500, metavar="N", help="of a request, for --row"
    )
    parser.add_argument("--answer-tokens", type=int, default=256, metavar="N", help="of a request, for --row")
