"""Any OpenAI-compatible server as an engine.

The base URL may be given, or comes from OPENAI_BASE_URL; a key comes from the environment only. Answers are
streamed, so that the time to the first token is measured. An answer that breaks off is asked for again from
its start: what was handed out already is not handed out twice, and a second answer that begins otherwise is
a failure, for the two would not fit.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import aclosing
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from harness.engines.accounting import Accounting, Ledger
from harness.engines.endpoint_answers import Answer, parts
from harness.engines.endpoint_dialects import body_of, dialect_of
from harness.engines.protocol import Capability, Completion, EngineFailure, Forward, Request, Ticket
from harness.engines.transport import Limits, Read, Transport
from harness.errors import HarnessError

URL_VARIABLE = "OPENAI_BASE_URL"
KEY_VARIABLE = "OPENAI_API_KEY"
_WATCH_S = 0.02

T = TypeVar("T")


def server_url(text: str) -> str:
    """The URL up to its version, no slash at the end; `/v1` is added where it ends in none."""
    try:
        url = urlsplit(text.strip())
        fine = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or True)
    except ValueError:
        url, fine = urlsplit(""), False
    if not fine or url.username is not None or url.query or url.fragment:
        # the text itself may hold a password
        raise HarnessError(
            "the base URL is none",
            allowed="http(s)://HOST[:PORT][/PATH], without user, password and query",
            next_step=f"correct base_url or {URL_VARIABLE}",
        )
    path = re.sub("/+", "/", url.path).rstrip("/")
    if not re.fullmatch(r"v\d+\w*", path.rpartition("/")[2]):
        path += "/v1"
    return urlunsplit((url.scheme, url.netloc, path, "", ""))


class EndpointEngine:
    """A server as an engine; at most `concurrency` requests are under way at once, the others wait.

    Without `base_url`, URL and key come from OPENAI_BASE_URL and OPENAI_API_KEY. With it, a key is sent only
    when `key_variable` names its environment variable: one server's key is no other's business. `model` is
    the name to ask for; left empty, the first one that the server lists. `extra` goes into every body.
    Token ids come back only where the server tells them (vLLM does).
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        model: str = "",
        key_variable: str = "",
        dialect: str = "openai",
        extra: Mapping[str, Any] | None = None,
        concurrency: int = 16,
        context_tokens: int | None = None,
        streaming: bool = True,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        if concurrency < 1:
            raise HarnessError(f"concurrency is {concurrency}", allowed="1 or more")
        if base_url is None:
            key_variable = key_variable or (KEY_VARIABLE if os.environ.get(KEY_VARIABLE) else "")
        self.url = server_url(_environment(URL_VARIABLE) if base_url is None else base_url)
        self._dialect = dialect_of(dialect)
        self._model, self._extra, self._streaming = model, dict(extra or {}), streaming
        self._context_tokens, self._concurrency = context_tokens, concurrency
        self._ledger = Ledger()
        root, slash, version = self.url.rpartition("/")
        self._version = slash + version
        self._transport = Transport(
            root, self._ledger, key_of(key_variable), key_variable, limits or Limits(), sleep, now
        )
        self._slots, self._naming = asyncio.Semaphore(concurrency), asyncio.Lock()
        self._open: dict[asyncio.Task[None], Ticket] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._closed, self._closing = False, threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"endpoint {self.url}", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        return f"EndpointEngine({self.url!r}, dialect={self._dialect.name!r})"

    @property
    def name(self) -> str:
        """Where it is and how it is spoken to; the server's version is not known."""
        return f"endpoint {self.url} ({self._dialect.name}, {self._concurrency} at once)"

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """What this kind of server has not."""
        return self._dialect.lacks

    @property
    def context_tokens(self) -> int:
        """As given, or as the server says; HarnessError when it does not."""
        if self._context_tokens is None:
            listed = self._run(self._listed())
            meta = listed.get("meta")
            told = listed.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, Mapping) else None)
            if not isinstance(told, int):
                what = "the server does not say how long its context is"
                raise HarnessError(what, where=self.url, next_step="give context_tokens")
            self._context_tokens = told
        return self._context_tokens

    def accounting(self) -> Accounting:
        """What went over the wire so far."""
        return self._ledger.snapshot()

    def submit(self, request: Request) -> Ticket:
        """Send it as soon as a place is free; HarnessError for what this kind of server does not take."""
        path, body = body_of(request, self._dialect)
        path = self._version + path
        if self._streaming:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        ticket = Ticket(request)
        self._start(self._serve(ticket, path, body | self._extra))
        return ticket

    def tokenize(self, text: str) -> list[int]:
        """Asks the server; HarnessError where this kind of server has no /tokenize."""
        if not self._dialect.tokenize_field:
            raise HarnessError(
                f"a server that speaks {self._dialect.name} does not tokenize",
                where=self.url,
                next_step="tokenize with the model's own tokenizer",
            )
        return self._run(self._tokenize(text))

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """Refused: no server hands out logits, hidden states or attention."""
        raise HarnessError(
            f"an endpoint has no forward pass: {self.lacks['logits']}",
            where=self.url,
            next_step="load the model with the transformers engine",
        )

    def close(self) -> None:
        """End the open requests and questions, which fail, and close the connections."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # from the caller's thread into the loop's

    def _start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._closing:
            if self._closed:
                work.close()
                raise EngineFailure(f"{self.url}: the engine is closed")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._start(work).result()
        except CancelledError:
            raise EngineFailure(f"{self.url}: the engine was closed meanwhile", retryable=True) from None

    # in the loop

    async def _serve(self, ticket: Ticket, path: str, body: dict[str, Any]) -> None:
        """One request from its place in the queue to its end, however it ends."""
        task, answer = asyncio.current_task(), Answer(ticket)
        assert task is not None
        self._open[task] = ticket
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        try:
            async with self._slots:
                if self._dialect.named_model:
                    body = {"model": await self._named()} | body
                completion = await self._transport.ask("POST", path, body, self._reader(answer))
            ticket.finish(completion)
        except asyncio.CancelledError:
            if ticket.stop_reason:
                ticket.finish(answer.completion(ticket.stop_reason))
            else:
                ticket.fail(EngineFailure(f"{self.url}: the engine was closed meanwhile", retryable=True))
        except Exception as error:  # whatever it is, it is this request's, and its caller waits for it
            ticket.fail(error)
        finally:
            self._open.pop(task, None)

    async def _watch(self) -> None:
        """Stop the requests that were cancelled or are out of time, each once: it closes its connection."""
        while self._open:
            await asyncio.sleep(_WATCH_S)
            for task, ticket in list(self._open.items()):
                if ticket.stop_reason:
                    del self._open[task]
                    task.cancel()
        self._watcher = None

    def _reader(self, answer: Answer) -> Read[Completion]:
        async def read(chunks: AsyncIterator[bytes], content_type: str) -> Completion:
            answer.begin()
            try:
                async with aclosing(parts(chunks, content_type)) as found:
                    async for part in found:
                        answer.take(part)
                return answer.completion()
            except HarnessError as error:
                raise HarnessError(self._transport.shown(error.what), where=self.url) from None
            except EngineFailure as failure:
                raise EngineFailure(f"{self.url}: {failure}", retryable=failure.retryable) from None
            finally:
                self._count(answer)

        return read

    def _count(self, answer: Answer) -> None:
        usage = answer.usage
        if usage is None:
            self._ledger.add(usage_unknown=1)
        else:
            self._ledger.add(
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=usage.cached_tokens,
            )

    async def _named(self) -> str:
        async with self._naming:
            if not self._model:
                self._model = str((await self._listed()).get("id"))
        return self._model

    async def _listed(self) -> Mapping[str, Any]:
        """What the server says of the model, or of its first one."""
        listed = (await self._transport.ask("GET", f"{self._version}/models", None, _document)).get("data")
        models = [model for model in listed if isinstance(model, Mapping)] if isinstance(listed, list) else []
        if not models:
            raise HarnessError("the server lists no model", where=self.url, next_step="give model")
        return next((model for model in models if model.get("id") == self._model), models[0])

    async def _tokenize(self, text: str) -> list[int]:
        body = {**self._dialect.tokenize, self._dialect.tokenize_field: text}
        answer = await self._transport.ask("POST", "/tokenize", body, _document)
        tokens = answer.get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise EngineFailure(f"{self.url}: /tokenize answers without tokens")
        return tokens

    async def _shut(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task(), self._watcher}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._watcher is not None:
            await self._watcher
        await self._transport.close()


async def _document(chunks: AsyncIterator[bytes], _content_type: str) -> Mapping[str, Any]:
    body = b"".join([chunk async for chunk in chunks])
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, Mapping):
        raise EngineFailure("the server answers with no JSON object")
    return document


def _environment(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise HarnessError(f"the environment variable {name} is not set", next_step=f"export {name}=...")
    return value


def key_of(variable: str) -> str:
    """The key in this environment variable, empty without one."""
    if not variable:
        return ""
    key = _environment(variable)
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise HarnessError(f"{variable} holds no key", allowed="one word of ASCII characters")
    return key
