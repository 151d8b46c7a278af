"""HTTP to one server: bounded retries, every try accounted for, and no key in any text.

Tried again: a server that cannot be reached, a time-out, 408, 429, 5xx, and an answer that breaks off.
Everything else is final. Redirects are not followed, for the key would go along to another host.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from harness.engines.accounting import Ledger
from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Read = Callable[[AsyncIterator[bytes], str], Awaitable[T]]
"""Makes the result of a 200's body, given its chunks and its content type."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ERROR_BYTES = 65_536
_SHOWN_CHARACTERS = 300
# llama.cpp and uvicorn close an idle connection after 5 s; one that is just being closed breaks a request
_KEEP_OPEN_S = 4.0
_DRAIN_S = 1.0


class BrokenAnswerError(Exception):
    """An answer ended before its end; asking again may help."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where patience ends.

    `idle_s` is the longest silence within a try. Delays double from `first_delay_s` up to `longest_delay_s`,
    each times 0.5 to 1; a server's Retry-After is waited instead, up to `longest_retry_after_s`.
    """

    tries: int = 4
    connect_s: float = 10.0
    idle_s: float = 120.0
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    longest_retry_after_s: float = 60.0
    answer_bytes: int = 64 << 20
    seed: int = 0


def delay_s(limits: Limits, request: int, tried: int, retry_after: float | None) -> float:
    """Seconds to wait after `tried` tries of request number `request`; the same for the same arguments."""
    if retry_after is not None:
        return min(retry_after, limits.longest_retry_after_s)
    jitter = random.Random(f"{limits.seed}/{request}/{tried}").uniform(0.5, 1.0)
    return min(limits.first_delay_s * 2.0 ** (tried - 1), limits.longest_delay_s) * jitter


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (a number, or an HTTP date); None when it says nothing."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now)
    except (ValueError, OverflowError):
        return None


class _AgainError(Exception):
    """This try failed in a way that the next one may not."""

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        self.what = what
        self.retry_after = retry_after
        super().__init__(what)


@dataclass(slots=True)
class Transport:
    """One server at `root`, spoken to from one event loop. `key` goes out as a bearer token, no further."""

    root: str
    ledger: Ledger
    key: str = field(repr=False, default="")
    key_variable: str = ""
    limits: Limits = Limits()
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    now: Callable[[], float] = time.time
    _client: httpx.AsyncClient | None = field(default=None, repr=False)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None, read: Read[T]) -> T:
        """One request. HarnessError when the server will always refuse it, EngineFailure when it failed.

        `read` runs once per try that gets a 200; BrokenAnswerError from it has the request tried again.
        """
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        number = self.ledger.started()
        try:
            for tried in range(1, self.limits.tries + 1):
                try:
                    return await self._try(method, path, content, read)
                except _AgainError as again:
                    failed = again
                if tried < self.limits.tries:
                    await self.sleep(delay_s(self.limits, number, tried, failed.retry_after))
                    self.ledger.add(retries=1)
            tries = "1 try" if self.limits.tries == 1 else f"{self.limits.tries} tries"
            raise EngineFailure(f"{self.root}: {failed.what} ({tries})", retryable=True)
        except (EngineFailure, HarnessError):
            self.ledger.add(failures=1)
            raise

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _try(self, method: str, path: str, content: bytes, read: Read[T]) -> T:
        import httpx

        outcome, sent = "cancelled", len(content)
        try:
            async with self._open().stream(method, self.root + path, content=content) as response:
                outcome = str(response.status_code)
                if outcome != "200":
                    raise await self._refusal(response)
                async with aclosing(self._chunks(response)) as chunks:
                    result = await read(chunks, response.headers.get("content-type", ""))
                    await self._drain(chunks)
                    return result
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except BrokenAnswerError as broken:
            outcome = "broken answer"
            raise _AgainError(self.shown(str(broken))) from None
        except httpx.TransportError as error:
            outcome, what = self._lost(error)
            sent = 0 if outcome == "not reached" else sent
            raise _AgainError(what) from None
        finally:
            self.ledger.tried(outcome, sent)

    def _open(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            headers = {"content-type": "application/json", "accept-encoding": "identity"}
            if self.key:
                headers["authorization"] = f"Bearer {self.key}"
            self._client = httpx.AsyncClient(
                headers=headers,
                timeout=httpx.Timeout(self.limits.idle_s, connect=self.limits.connect_s, pool=None),
                limits=httpx.Limits(max_connections=None, keepalive_expiry=_KEEP_OPEN_S),
                follow_redirects=False,
                # reading the certificates takes a tenth of a second, for nothing where there is no TLS
                verify=self.root.startswith("https:"),
                # a proxy of the environment does not reach this machine's own servers
                trust_env=urlsplit(self.root).hostname not in LOOPBACK,
            )
        return self._client

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """The body as it comes, counted; EngineFailure when it outgrows its limit."""
        received = 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            self.ledger.add(bytes_received=len(chunk))
            if received > self.limits.answer_bytes:
                raise EngineFailure(f"{self.root}: an answer of over {self.limits.answer_bytes} bytes")
            yield chunk

    async def _drain(self, chunks: AsyncIterator[bytes]) -> None:
        """Read what is left of an answer, so that its connection serves the next request too."""
        import httpx

        with suppress(TimeoutError, EngineFailure, httpx.TransportError):
            async with asyncio.timeout(_DRAIN_S):
                async for _ in chunks:
                    pass

    async def _refusal(self, response: httpx.Response) -> Exception:
        """What an answer that is no 200 means."""
        status = response.status_code
        if response.is_redirect:
            target = self.shown(response.headers["location"])
            return HarnessError(
                f"redirects to {target}, which is not followed",
                where=self.root,
                next_step="give that address as the base URL if it is the server you mean",
            )
        said = self.shown(await self._message(response))
        what = f"answers {status}: {said}" if said else f"answers {status}"
        if status in (408, 429) or status >= 500:
            return _AgainError(what, retry_after_s(response.headers.get("retry-after"), self.now()))
        if status < 400:
            return EngineFailure(f"{self.root}: {what}")
        return HarnessError(what, where=self.root, next_step=self._next_step(status))

    def _next_step(self, status: int) -> str:
        if status in (401, 403):
            if self.key_variable:
                return f"put a key of this server into the environment variable {self.key_variable}"
            return "name the environment variable that holds a key of this server"
        if status == 404:
            return "check the base URL and the model's name"
        return "check the prompt's length, the sampling, and that the dialect is this server's"

    async def _message(self, response: httpx.Response) -> str:
        body = b""
        async with aclosing(self._chunks(response)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > _ERROR_BYTES:
                    break
        try:
            return error_message(json.loads(body))
        except (ValueError, RecursionError):
            return body.decode(errors="replace")

    def _lost(self, error: httpx.TransportError) -> tuple[str, str]:
        """How a try without a whole answer counts, and what to say of it."""
        import httpx

        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return "not reached", f"cannot be reached ({self.shown(str(error)) or 'time-out'})"
        if isinstance(error, httpx.TimeoutException):
            return "time-out", f"silent for {self.limits.idle_s:g} s"
        return "broken answer", f"the connection broke ({self.shown(str(error)) or type(error).__name__})"

    def shown(self, text: str) -> str:
        """Foreign text on one line, cut, without the key."""
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if self.key:
            line = line.replace(self.key, "[key]")
        return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "..."


def error_message(document: Any) -> str:
    """The text in an error as the servers write them: `error.message`, `error`, `detail` or `message`."""
    for name in ("error", "detail", "message"):
        if isinstance(document, Mapping) and document.get(name):
            return error_message(document[name])
    return document if isinstance(document, str) else json.dumps(document)
