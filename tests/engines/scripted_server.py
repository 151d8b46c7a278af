"""An HTTP server that answers what a test tells it to, request by request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}


@dataclass
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    size: int


@dataclass
class Scripted:
    """A running server: `script` has one answer per request to come, `otherwise` answers when it is empty."""

    url: str
    script: list[Answer] = field(default_factory=list)
    otherwise: Answer | None = None
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    sent: int = 0
    under_way: int = 0
    most_under_way: int = 0
    broken_off: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def scripted_server() -> Iterator[Scripted]:
    """A server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            with scripted.lock:
                scripted.connections += 1
            self.scripted = scripted

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            body = json.loads(content) if content else None
            with scripted.lock:
                scripted.seen.append(Seen(self.command, self.path, dict(self.headers), body, len(content)))
                scripted.under_way += 1
                scripted.most_under_way = max(scripted.most_under_way, scripted.under_way)
                answer = scripted.script.pop(0) if scripted.script else scripted.otherwise
            try:
                assert answer is not None, "one request more than the script has answers"
                answer(self)
            except OSError:
                scripted.broken_off.set()
                self.close_connection = True
            finally:
                with scripted.lock:
                    scripted.under_way -= 1

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scripted = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reply(status: int, body: Any = b"", **headers: str) -> Answer:
    """A whole answer: JSON, or bytes as they are."""

    def answer(handler: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        handler.scripted.sent += len(content)

    return answer


def events(*documents: Any, done: bool = True, cut: bool = False) -> Answer:
    """A stream of server-sent events, one per document; `cut` closes the connection before the end."""

    def answer(handler: Any) -> None:
        lines = [json.dumps(document, ensure_ascii=False).encode() for document in documents]
        _stream(handler, [*lines, b"[DONE]"] if done and not cut else lines)
        if cut:
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def until_gone(*documents: Any) -> Answer:
    """These events, and then nothing until the client has closed the connection."""

    def answer(handler: Any) -> None:
        _stream(handler, [json.dumps(document).encode() for document in documents])
        handler.connection.settimeout(10)
        if handler.rfile.read(1) == b"":
            handler.scripted.broken_off.set()
        handler.close_connection = True

    return answer


def _stream(handler: Any, lines: list[bytes]) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream; charset=utf-8")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    for line in lines:
        event = b"data: " + line + b"\n\n"
        handler.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        handler.wfile.flush()
        handler.scripted.sent += len(event)


def chat_events(*texts: str, finish: str = "stop", usage: Any = USAGE) -> list[dict[str, Any]]:
    """The documents of a streamed chat completion as llama.cpp's server writes them."""
    said = [{"choices": [{"delta": {"content": text}, "finish_reason": None}]} for text in texts]
    role = {"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]}
    end = {"choices": [{"delta": {}, "finish_reason": finish}]}
    return [role, *said, end, *([{"choices": [], "usage": usage}] if usage else [])]


def chat_reply(text: str, finish: str = "stop", usage: Any = USAGE) -> dict[str, Any]:
    """A chat completion that is not streamed."""
    message = {"role": "assistant", "content": text}
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def silence(release: threading.Event) -> Answer:
    """No answer until released; then the connection is closed."""

    def answer(handler: Any) -> None:
        release.wait(10)
        handler.close_connection = True

    return answer
