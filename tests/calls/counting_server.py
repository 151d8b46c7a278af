"""A chat server on this machine that answers by its weights, counts every request, and misbehaves as told."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripted_server import Answer, chat_events, events, reply

CONTEXT = 64
Fault = Callable[[str, int], Answer | None]


def healthy(_text: str, _nth: int) -> None:
    """No fault."""


def words_of(weights: str, text: str) -> list[str]:
    """What weights say to a text: 3 words, or as many as the text says after `long `."""
    many = int(text.split()[1]) if text.startswith("long ") else 3
    seed = hashlib.sha256(f"{weights} {text}".encode()).hexdigest()
    return [f"w{seed[i % 60 : i % 60 + 4]}" for i in range(many)]


@dataclass
class CountingServer:
    """`fault(text, nth)` gives the answer to the nth request of a text (from 1), None for a right one.

    `asked` counts chat requests by their last message, `answered` those that were answered rightly and whole.
    `listed` is what it lists of its model. It cuts answers at `most_tokens` whatever it is asked for.
    """

    url: str
    weights: str = "w0"
    fault: Fault = healthy
    most_tokens: int = 10_000
    listed: dict[str, Any] = field(default_factory=lambda: {"id": "m", "max_model_len": CONTEXT})
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    dead: bool = False
    open_now: int = 0
    most_open: int = 0
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, text: str) -> int:
        """One more request of this text."""
        with self.lock:
            self.asked[text] += 1
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            return self.asked[text]

    def reaches(self, text: str) -> bool:
        """Whether the server's own limit leaves the answer whole."""
        return len(words_of(self.weights, text)) <= self.most_tokens

    def right(self, body: dict[str, Any], text: str) -> Answer:
        """The right answer, cut at its limit."""
        words = words_of(self.weights, text)
        prompt = sum(len(message["content"].split()) for message in body["messages"])
        limit = min(body["max_completion_tokens"], self.most_tokens, CONTEXT - prompt)
        said = [f"{word} " for word in words[:limit]]
        usage = {"prompt_tokens": prompt, "completion_tokens": len(said)}
        finish = "length" if len(words) > limit else "stop"
        return events(*chat_events(*said, finish=finish, usage=usage))


@contextmanager
def counting_server(port: int = 0, **settings: Any) -> Iterator[CountingServer]:
    """A server that runs until the end, on the port given or a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        scripted: CountingServer

        def do_GET(self) -> None:
            reply(200, {"data": [self.scripted.listed]})(self)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.scripted.dead:
                self.close_connection = True
                return
            text = body["messages"][-1]["content"]
            nth = self.scripted.count(text)
            wrong = self.scripted.fault(text, nth)
            try:
                (wrong or self.scripted.right(body, text))(self)
                if wrong is None and self.scripted.reaches(text):
                    with self.scripted.lock:
                        self.scripted.answered[text] += 1
            except OSError:
                self.close_connection = True
            finally:
                with self.scripted.lock:
                    self.scripted.open_now -= 1

        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: Any) -> None:
            """Clients are killed on purpose; what that does to their connections is nobody's news."""

    server = Server(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    Handler.scripted = CountingServer(f"http://127.0.0.1:{server.server_port}", **settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Handler.scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
