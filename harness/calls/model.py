"""One language model in one role, asked through its engine: every answer kept, none paid for twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.calls.answer import Answer, Role, answer_of
from harness.calls.asking import ask
from harness.calls.cache import ResponseCache
from harness.calls.identity import Identity
from harness.calls.journal import Journal
from harness.calls.journal_lines import Place
from harness.calls.keys import answer_key, request_key
from harness.calls.price import FREE, Price
from harness.calls.tally import Tally
from harness.engines.protocol import Completion, Engine, EngineFailure, Request, Sampling
from harness.errors import EXIT_INFRASTRUCTURE, HarnessError


@dataclass(frozen=True, slots=True)
class _Call:
    """A request with its place in the run, and the key of its answer in the cache (empty without one)."""

    request: Request
    place: Place
    cache_key: str

    @property
    def group(self) -> str | Place:
        """Calls of one group have one answer."""
        return self.cache_key or self.place


class Model:
    """A model with at most `threads` requests open, however many threads call `answers`.

    An answer comes from the journal (this run's, resumed), else from the cache (earlier runs), else from the
    engine. It is in the journal before it is used, wherever it came from, so the journal alone gives the run
    again. Without a tally it has one of its own.
    """

    def __init__(
        self,
        engine: Engine,
        identity: Identity,
        *,
        role: Role,
        threads: int = 1,
        cache: ResponseCache | None = None,
        journal: Journal | None = None,
        tally: Tally | None = None,
        price: Price | None = None,
    ) -> None:
        if threads < 1:
            raise HarnessError(f"threads is {threads}", where=f"{role} model", allowed="1 and more")
        self.identity = identity
        self.role: Role = role
        self.threads = threads
        self.tally = tally or Tally()
        self._engine = engine
        self._cache = cache
        self._journal = journal
        self._account = self.tally.account(role, engine, price or FREE)
        self._places = threading.Semaphore(threads)
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answers(self, requests: Sequence[Request], *, cut_is_final: bool = False) -> list[Answer]:
        """One answer for each request, in order.

        One that was cut at `max_tokens` is asked for again with the limit doubled, up to the context; one
        that fills the context is returned as it is (`is_cut`): the model's own doing. With `cut_is_final`
        every answer is returned as it is, for callers that can use a part of one. Equal requests are
        numbered in the order of the list, so a run resumes exactly when it lists the same requests in the
        same order: from one thread, or from threads whose requests differ.

        Raises EngineFailure when a call failed after the engine's own retries, HarnessError when the server
        refuses it for good or cuts answers short. Either says what is kept and how to go on. Nothing is sent
        after the first failure, and what was open then has run to its end and is kept too. To go on, begin
        the run anew with its journal opened anew.
        """
        answers = self._round(requests)
        if cut_is_final:
            return answers
        asked = dict(enumerate(requests))
        # in rounds, so that calls are numbered in the same order whichever answer comes first
        while asked := {
            number: longer
            for number, request in asked.items()
            if (longer := self._longer(request, answers[number])) is not None
        }:
            for number, answer in zip(asked, self._round(list(asked.values())), strict=True):
                answers[number] = answer
        return answers

    def _round(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, cut or not."""
        calls = [self._call(request) for request in requests]
        answers = {call.place: answer for call in calls if (answer := self._replayed(call)) is not None}
        for call in calls:
            if call.place not in answers and (answer := self._cached(call)) is not None:
                answers[call.place] = self._used_again(call, answer)
        asked: dict[str | Place, _Call] = {}
        for call in calls:
            if call.place not in answers:
                asked.setdefault(call.group, call)
        try:
            outcomes = self._ask(list(asked.values()))
            for call, answer in zip(asked.values(), outcomes, strict=True):
                answers[call.place] = answer
            for call in calls:
                if call.place not in answers:
                    answers[call.place] = self._used_again(call, answers[asked[call.group].place])
        finally:
            if self._journal is not None:
                self._journal.sync()
        return [answers[call.place] for call in calls]

    def _call(self, request: Request) -> _Call:
        key = request_key(self.identity, request)
        if self._journal is not None:
            occurrence = self._journal.occurrence(self.role, key)
        else:
            with self._lock:
                occurrence = self._counted[key]
                self._counted[key] += 1
        cache_key = "" if self._cache is None else answer_key(key, request, occurrence)
        return _Call(request, Place(self.role, key, occurrence), cache_key)

    def _replayed(self, call: _Call) -> Answer | None:
        """The journal's answer. It goes into the cache too: its writer may have died before it did that."""
        answer = None if self._journal is None else self._journal.take(call.place)
        if answer is None:
            return None
        if self._cache is not None and self._cache.get(call.cache_key) is None:
            self._cache.put(call.cache_key, replace(answer, source="engine"))
        self._account.found(answer)
        return replace(answer, source="journal")

    def _cached(self, call: _Call) -> Answer | None:
        return None if self._cache is None else self._cache.get(call.cache_key)

    def _used_again(self, call: _Call, answer: Answer) -> Answer:
        """The cache's answer, or that of an equal call of this round."""
        answer = replace(answer, source="cache")
        if self._journal is not None:
            self._journal.append(call.place, answer)
        self._account.add(cache_hits=1)
        return answer

    def _ask(self, calls: Sequence[_Call]) -> list[Answer]:
        """The engine's answers; raises what the first call failed with."""

        def keep(number: int, completion: Completion) -> Answer:
            call, answer = calls[number], answer_of(completion)
            self._account.answered(answer)
            self._refuse_cut_by_server(call.request.sampling, answer)
            if self._journal is not None:
                self._journal.append(call.place, answer)
            if self._cache is not None:
                self._cache.put(call.cache_key, answer)
            return answer

        if not calls:
            return []
        outcomes = ask(self._engine, [call.request for call in calls], self._places, self._account, keep)
        answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if errors:
            raise self._stopped(errors[0], len(errors), len(calls))
        return answers

    def _longer(self, request: Request, answer: Answer) -> Request | None:
        """The request with twice its limit, None when its answer is whole or fills the context."""
        sampling = request.sampling
        if not answer.is_cut or sampling.ignore_eos:
            return None
        try:
            room = self._engine.context_tokens - answer.prompt_tokens
        except (HarnessError, EngineFailure) as error:
            raise self._stopped(error, 1, 1) from None
        if sampling.max_tokens >= room:
            self._account.add(filled=1)
            return None
        self._account.add(cut=1)
        return replace(request, sampling=replace(sampling, max_tokens=min(2 * sampling.max_tokens, room)))

    def _refuse_cut_by_server(self, sampling: Sampling, answer: Answer) -> None:
        """HarnessError for an answer cut far below its limit, the context not full.

        That is the server's doing: kept, it would stand in the way when the server is repaired.
        """
        limit, made = sampling.max_tokens, answer.completion_tokens
        if not answer.is_cut or sampling.ignore_eos or 2 * made > limit:
            return
        try:
            context = self._engine.context_tokens
        except HarnessError:  # nobody tells, which `_longer` says
            return
        if answer.prompt_tokens + limit < context:
            raise HarnessError(
                f"the server cuts an answer at {made} tokens, allowed were {limit}",
                where=self.identity.endpoint or self.identity.engine,
                next_step="raise its own limit of an answer's length",
                exit_code=EXIT_INFRASTRUCTURE,
            )

    def _stopped(self, error: Exception, failed: int, of: int) -> Exception:
        """The error for the caller: what happened, what is kept, how to go on."""
        if self._journal is None:
            kept = "no journal keeps the answers so far"
        else:
            # where it cannot be written, that is what the error says already
            with suppress(HarnessError):
                self._journal.note("stopped", role=self.role, failed=failed, of=of, what=_what(error))
            kept = (
                f"{self._journal.kept} answers are kept in {self._journal.path}; "
                f"{self._journal.again} and asks for none of them again"
            )
        calls = f"{failed} of {of} calls failed, the first: " if failed > 1 else ""
        if isinstance(error, EngineFailure):
            return EngineFailure(f"{self.role} model: {calls}{error}; {kept}", retryable=error.retryable)
        if isinstance(error, HarnessError):
            return HarnessError(
                f"{self.role} model: {calls}{_what(error)}",
                where=error.where,
                allowed=error.allowed,
                next_step=f"{error.next_step}; {kept}" if error.next_step else kept,
                exit_code=error.exit_code,
            )
        return error


def _what(error: Exception) -> str:
    return error.what if isinstance(error, HarnessError) else str(error)
