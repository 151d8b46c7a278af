"""An OpenAI-compatible server whose models are the scripted ones: `task` extracts, `reflection` improves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripted_server import Answer, chat_events, events, reply

from harness.engines.protocol import Message
from harness.prompts.examples import ExampleSet
from harness.prompts.offline.reflection import improver
from harness.prompts.offline.scripted import EXACT, Precision, finder, typed_list

Fault = Callable[[int], Answer | None]


@dataclass
class ModelServer:
    """`fault(nth)` answers the nth chat request (from 0), None for a right one; `asked` counts them."""

    url: str
    answer: dict[str, Callable[[tuple[Message, ...]], str]]
    fault: Fault = lambda _: None
    listed: dict[str, Any] = field(default_factory=lambda: {"id": "task", "max_model_len": 16384})
    pages: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def right(self, body: dict[str, Any]) -> Answer:
        messages = tuple(Message(each["role"], each["content"]) for each in body["messages"])
        text = self.answer[body["model"]](messages)
        usage = {"prompt_tokens": sum(len(m.content.split()) for m in messages), "completion_tokens": 9}
        return events(*chat_events(text, finish="stop", usage=usage))


@contextmanager
def model_server(
    examples: ExampleSet, precision: Precision = EXACT, port: int = 0, **settings: Any
) -> Iterator[ModelServer]:
    """A server that runs until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        scripted: ModelServer

        def do_GET(self) -> None:
            page = self.scripted.pages.get(self.path)
            if page is None and self.path.endswith("/models"):
                reply(200, {"data": [self.scripted.listed]})(self)
                return
            content = (page or "").encode()
            self.send_response(404 if page is None else 200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with self.scripted.lock:
                nth, self.scripted.asked = self.scripted.asked, self.scripted.asked + 1
            try:
                (self.scripted.fault(nth) or self.scripted.right(body))(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    answers = {"task": finder(examples, typed_list, precision), "reflection": improver(examples.types)}
    Handler.scripted = ModelServer(f"http://127.0.0.1:{server.server_port}/v1", answers, **settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Handler.scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
