"""Why a server's process ended, as one line: from its exit code and its log."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from harness.engines.protocol import EngineFailure
from harness.engines.server_kinds import ServerSpec
from harness.errors import EXIT_BAD_INPUT, HarnessError

_TAIL_BYTES = 65_536
_SHOWN_CHARACTERS = 300
_PORT_TAKEN = re.compile(r"couldn't bind|address already in use", re.IGNORECASE)
# most telling first
_TELLING = (
    re.compile(r"error loading model: (.*)"),
    re.compile(r"^((?:\w+\.)*\w*(?:Error|Exception)\b.*)$"),
    re.compile(r"(.*\b(?:error|failed|fatal)\b.*)", re.IGNORECASE),
    re.compile(r"(.+)"),
)
_MEANING = {
    signal.SIGILL: "an instruction that this processor does not have",
    signal.SIGKILL: "killed from outside, mostly because memory ran out",
    signal.SIGSEGV: "a memory fault",
    signal.SIGBUS: "a memory fault: the model's file changed, or the disk failed",
    signal.SIGABRT: "it gave up",
}


def explained(spec: ServerSpec, port: int, exit_code: int, log: Path) -> HarnessError | EngineFailure:
    """What the end of this server means: HarnessError for the user's model or port, else EngineFailure."""
    text = _tail(log)
    line = telling_line(text)
    if _PORT_TAKEN.search(text):
        return port_taken(spec.host, port)
    if exit_code == EXIT_BAD_INPUT:
        return HarnessError(
            f"the {spec.engine} server cannot load it: {line}", where=str(spec.model), next_step=f"see {log}"
        )
    return EngineFailure(
        f"the {spec.engine} server {_ending(exit_code)}; its last words: {line} (log: {log})"
    )


def port_taken(host: str, port: int) -> HarnessError:
    """The message for a port that another program listens at."""
    return HarnessError(
        f"port {port} of {host} is in use", next_step="pass another --port, or 0 for one that is free"
    )


def telling_line(text: str) -> str:
    """The line that says most about a failure: the last of the most telling kind there is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for kind in _TELLING:
        found = [match[1] for line in lines if (match := kind.search(line))]
        if found:
            return found[-1][:_SHOWN_CHARACTERS]
    return "none"


def _ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    died_of = signal.Signals(-exit_code)
    return f"died of {died_of.name} ({_MEANING.get(died_of, 'a crash')})"


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
