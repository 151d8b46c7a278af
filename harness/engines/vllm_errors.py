"""vLLM's failures as one clear error each.

Its processes say why they ended in their log and nowhere else, so the log goes to a file that is read here.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError

_CONFIGURED = "VLLM_LOGGING_CONFIG_PATH"
# As vLLM 0.32 and torch 2.13 word them.
_NO_MEMORY = re.compile(
    r"out of memory|OutOfMemoryError|No available memory for the cache blocks"
    r"|is less than desired \w+ memory utilization|KV cache is needed, which is larger than",
    re.IGNORECASE,
)
_ARCHITECTURE = re.compile(r"architectures? \[.*?\] are not supported|has no vLLM implementation")
_RAISED = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception)(?:: .*)?$", re.MULTILINE)
_LOGGED = re.compile(r"^ERROR (.*)$", re.MULTILINE)
_PYDANTIC = re.compile(r"^\s+(?:Value|Assertion) error, (.*?)(?: \[type=.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Log:
    """Warnings and errors of vLLM's processes from `start` on; `variables` make them write there."""

    path: Path | None
    variables: Mapping[str, str]
    start: int = 0

    def text(self) -> str:
        """What was written so far."""
        if self.path is None or not self.path.exists():
            return ""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self.start)
            return file.read()


def open_log() -> Log:
    """A log that begins now. A user's own VLLM_LOGGING_CONFIG_PATH is kept, and then nothing can be read."""
    if _CONFIGURED in os.environ:
        return Log(None, {})
    folder = _log_folder()
    path = folder / "vllm.log"
    return Log(path, {_CONFIGURED: str(folder / "logging.json")}, path.stat().st_size if path.exists() else 0)


def at_start(model: str, error: Exception, log: str) -> Exception:
    """Why vLLM did not start, from what was raised here and from its processes' log."""
    why = _reason(error, log)
    everything = f"{error}\n{log}"
    if isinstance(error, ImportError):
        return HarnessError(f"vLLM cannot be imported: {why}", next_step="make install EXTRA=gpu")
    if _ARCHITECTURE.search(everything):
        return HarnessError(
            f"vLLM does not support its architecture: {why}",
            where=model,
            next_step="take another model or the transformers engine",
        )
    if _NO_MEMORY.search(everything):
        return HarnessError(
            f"vLLM does not get enough memory: {why}",
            where=model,
            next_step="lower max_model_len, max_num_seqs or gpu_memory_utilization, or quantize the weights",
        )
    if isinstance(error, ValueError):
        return HarnessError(f"vLLM refuses the model or its settings: {why}", where=model)
    return EngineFailure(f"vLLM did not start with {model}: {why}")


def at_work(error: Exception, log: str) -> EngineFailure:
    """Why vLLM ended while it was serving."""
    return EngineFailure(f"vLLM's engine died: {_reason(error, log)}")


def _reason(error: Exception, log: str) -> str:
    """The first exception or error in the log, else this one's message; one line."""
    if raised := _RAISED.search(log):
        return _one_line(raised.group())
    if logged := _LOGGED.search(log):
        return _one_line(logged[1])
    if type(error).__name__ == "EngineDeadError":
        return "its process ended without a word; was it killed, for instance for its memory?"
    said = _PYDANTIC.search(str(error))
    return _one_line(said[1] if said else str(error) or type(error).__name__)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 400 else line[:399] + "…"


@functools.cache
def _log_folder() -> Path:
    """One folder per process, removed when it ends: vLLM reads the configuration again with every engine."""
    folder = Path(tempfile.mkdtemp(prefix="harness-vllm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "filename": str(folder / "vllm.log"),
                "encoding": "utf-8",
                "formatter": "plain",
            }
        },
        "loggers": {"vllm": {"handlers": ["file"], "level": "WARNING", "propagate": False}},
    }
    (folder / "logging.json").write_text(json.dumps(config))
    return folder
