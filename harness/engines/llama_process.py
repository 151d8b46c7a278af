"""The parent's hold on a llama.cpp worker: starting it, lines to and from it, and what its death means."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Any

Line = dict[str, Any]

_TICK_MS = 10
_END_S = 5.0

_REASONS = {
    signal.SIGILL: "an illegal instruction: llama.cpp was built for another processor; rebuild it portably: "
    'CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON" '
    "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python",
    signal.SIGKILL: "killed from outside, mostly by the kernel when memory runs out",
    signal.SIGSEGV: "a memory fault inside llama.cpp",
    signal.SIGBUS: "a memory fault: the model file changed or shrank while it was in use, or the disk failed",
    signal.SIGABRT: "llama.cpp gave up",
}


def explain_exit(code: int, last_line: str) -> str:
    """One line about a dead worker: its signal by name, what that means, and its last words.

    `code` as `subprocess` and shells give it: -4 and 132 are both SIGILL.
    """
    number = -code if code < 0 else code - 128
    try:
        died_of = signal.Signals(number)
        reason = _REASONS.get(died_of, "a crash")
        text = f"the llama.cpp process died of {died_of.name} (exit {128 + number}): {reason}"
    except ValueError:
        text = f"the llama.cpp process ended with exit code {code}"
    return f"{text}; its last words: {last_line}" if last_line else text


class WorkerProcess:
    """A running worker. After `start`, one thread hands each line to `hear` and in the end calls `ended`.

    It also calls `tick`, about every 10 ms while `is_busy` says so.
    """

    def __init__(self, module: str, settings: Line) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        environment = {
            **os.environ,
            # Spinning threads of OpenMP starve everything else on a shared machine.
            "OMP_WAIT_POLICY": "passive",
            # An assertion of ggml would start a debugger for its backtrace.
            "GGML_NO_BACKTRACE": "1",
        }
        self._process = subprocess.Popen(
            # Safe path: a working directory must not shadow the package llama_cpp.
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
        )
        self._threads: list[threading.Thread] = []
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._rest = b""
        self._run("llama.cpp requests", self._write)
        self.send(settings)

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def _run(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def send(self, line: Line) -> None:
        """Have one line written, in order; lost when the worker is gone, whose end is heard anyway."""
        self._outgoing.put(json.dumps(line).encode() + b"\n")

    def _write(self) -> None:
        # A thread of its own: whoever listens must never wait until the worker reads.
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            while (line := self._outgoing.get()) is not None:
                pipe.write(line)
                pipe.flush()

    def first_line(self) -> Line | None:
        """Wait for one line; None when the worker ended instead. Only before `start`."""
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer: Line = json.loads(line)
        return answer

    def start(
        self,
        hear: Callable[[Line], None],
        tick: Callable[[], None],
        is_busy: Callable[[], bool],
        ended: Callable[[str], None],
    ) -> None:
        """Listen from a thread of its own."""

        def listen() -> None:
            for line in self._lines(tick, is_busy):
                hear(line)
            ended(self.last_words())

        self._run("llama.cpp answers", listen)

    def _lines(self, tick: Callable[[], None], is_busy: Callable[[], bool]) -> Iterator[Line]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            if poll.poll(_TICK_MS if is_busy() else None):
                data = os.read(descriptor, 1 << 16)
                if not data:
                    return
                *lines, self._rest = (self._rest + data).split(b"\n")
                yield from map(json.loads, lines)
            tick()

    def last_words(self) -> str:
        """Wait for the end of a worker that closed its output; what its end means."""
        return explain_exit(self._process.wait(), self._last_error_line())

    def _last_error_line(self) -> str:
        size = os.fstat(self._errors.fileno()).st_size
        tail = os.pread(self._errors.fileno(), 4096, max(0, size - 4096)).decode("utf-8", "replace")
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End it at once; `ended` follows."""
        self._process.kill()

    def close(self) -> None:
        """Ask it to end by closing its input, kill it when it does not, and stop listening."""
        self._outgoing.put(None)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()
