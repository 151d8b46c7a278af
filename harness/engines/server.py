"""One OpenAI-compatible server as a child process: started, waited for, and ended again.

    with running(ServerSpec(model)) as server:
        engine = EndpointEngine(server.url, dialect=server.dialect)

The child has its output in a file, its own session (an interrupt reaches it through us only) and ends when
we are gone, however that happens.
"""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.engines.protocol import EngineFailure
from harness.engines.server_death import explained, port_taken, telling_line
from harness.engines.server_kinds import Launch, ServerSpec, launch
from harness.errors import HarnessError

_DIALECTS = {"xllamacpp": "llama_cpp", "transformers": "transformers", "vllm": "vllm"}
_POLL_S = 0.05
_END_S = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at `url`; `dialect` is what `EndpointEngine` calls its way of speaking."""

    spec: ServerSpec
    url: str
    dialect: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> HarnessError | EngineFailure:
        """Wait until it ends by itself, and say why it did."""
        code = self.process.wait()
        return explained(self.spec, int(self.url.rpartition(":")[2]), code, self.log)


@contextmanager
def running(spec: ServerSpec) -> Iterator[Running]:
    """A server that is ready, for as long as the block lasts.

    HarnessError when the user can mend what keeps it from starting (model, port, package), EngineFailure
    when it dies or is not ready within `spec.start_s`.
    """
    port = _port(spec)
    started = launch(spec, port)
    log = spec.log or _new_log()
    keep = spec.log is not None
    try:
        process = _start(started, log)
        try:
            _wait_until_ready(spec, port, process, log)
            yield Running(spec, f"http://{_address(spec.host)}:{port}", _DIALECTS[spec.engine], process, log)
        finally:
            _end(process)
    except (HarnessError, EngineFailure) as error:
        # an error that refers to the log leaves it
        keep = keep or str(log) in str(error)
        raise
    finally:
        if not keep:
            log.unlink(missing_ok=True)


def _port(spec: ServerSpec) -> int:
    """The port to listen at: as asked for if it is free, or a free one."""
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    try:
        with socket.create_server((spec.host, spec.port), family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise port_taken(spec.host, spec.port) from None
        what = f"cannot listen at port {spec.port} of {spec.host} ({error.strerror or error})"
        raise HarnessError(what, next_step="pass another --host or --port") from None


def _address(host: str) -> str:
    """How a URL names this host; a server on all addresses is reached at the loopback one."""
    return f"[{host}]" if ":" in host else host.replace("0.0.0.0", "127.0.0.1")


def _new_log() -> Path:
    handle, name = tempfile.mkstemp(prefix="harness-server-", suffix=".log")
    os.close(handle)
    return Path(name)


def _start(started: Launch, log: Path) -> subprocess.Popen[bytes]:
    try:
        output = log.open("wb")
    except OSError as error:
        raise HarnessError(f"cannot be written ({error.strerror})", where=str(log)) from None
    with output:
        try:
            return subprocess.Popen(
                started.command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **started.environment},
                start_new_session=True,
            )
        except OSError as error:
            what = f"cannot be started ({error.strerror})"
            raise HarnessError(what, where=started.command[0]) from None


def _wait_until_ready(spec: ServerSpec, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + spec.start_s
    while time.monotonic() < deadline:
        is_healthy = _is_healthy(_address(spec.host).strip("[]"), port)
        code = process.poll()
        if code is not None:
            raise explained(spec, port, code, log)
        if is_healthy:
            return
        time.sleep(_POLL_S)
    line = telling_line(log.read_text(errors="replace"))
    raise EngineFailure(
        f"the {spec.engine} server is not ready after {spec.start_s:g} s; last: {line} (log: {log})"
    )


def _is_healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate it, after a while kill it, and what it started with it."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
