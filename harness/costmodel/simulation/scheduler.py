"""Continuous batching: the core, driven by events instead of steps.

A decoding sequence gets one token in every step, so nothing about it changes but its length. What it needs
is known when its prompt is done: the number of the step in which it ends (a heap), the steps in which it
needs another block (`BlockAccount`). So no step touches its sequences one by one, and many decode-only steps
are leapt over at once, up to the next end, arrival or lack of blocks.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import cast

import numpy as np

from harness.costmodel.load import StepLoad, StepTime
from harness.costmodel.simulation.blocks import BlockAccount
from harness.costmodel.simulation.clock import VirtualClock
from harness.costmodel.simulation.prefix import SharedPrefixes
from harness.costmodel.simulation.requests import EngineTotals, Floats, Ints, Requests
from harness.costmodel.simulation.rules import SchedulerRules
from harness.costmodel.simulation.step_time import leap_of
from harness.costmodel.simulation.workload import Arrivals

_NOBODY = -1


class Scheduler:
    """The state of one engine between two steps; `run` serves everything and fills the result columns.

    Every request must fit alone (`continuous.fitting`).
    """

    def __init__(
        self, requests: Requests, rules: SchedulerRules, blocks: int, step_time: StepTime, arrivals: Arrivals
    ) -> None:
        count = len(requests)
        self.first_token_s: Floats = np.full(count, math.nan)
        self.completed_s: Floats = np.full(count, math.nan)
        self.restarts: Ints = np.zeros(count, dtype=np.int64)
        self.cached_tokens: Ints = np.zeros(count, dtype=np.int64)
        # A memory view gives plain numbers one at a time, much quicker than an array does.
        self._at_s = arrivals.view
        self._prompt = requests.prompt_tokens.data
        self._output = requests.output_tokens.data
        self._first_s = cast("memoryview[float]", self.first_token_s.data)
        self._done_s = cast("memoryview[float]", self.completed_s.data)
        self._arrivals = arrivals
        self._rules = rules
        self._watermark = rules.watermark_blocks(blocks)
        self._seconds = step_time.seconds
        self._leap = leap_of(step_time)
        self._prefixes: SharedPrefixes | None = None
        if rules.prefix_caching:
            self._prefixes = SharedPrefixes(requests, blocks, rules.block_tokens, self.cached_tokens)
        spare = int(rules.decode_needs_free_block)
        self._blocks = BlockAccount(blocks, rules.block_tokens, spare, self._prefixes)
        self._clock = VirtualClock()
        self._may_admit = True  # in the step at hand

        self._head = 0  # the next request that never ran
        self._restarted: list[int] = []  # waits before it, the last one first
        self._prompts: dict[int, int] = {}  # prompts of restarted requests
        self._running: dict[int, int] = {}  # offsets of the decoding sequences, in batch order
        self._context = 0  # tokens that they hold in the next step
        self._ends: list[tuple[int, int, int]] = []  # heap of (last step, place in the batch, request)
        self._places = 0
        self._partial = _NOBODY  # the one request whose prompt is cut
        self._partial_tokens = 0
        self._partial_blocks = 0
        self._whole: list[tuple[int, int]] = []  # (request, prompt) whose prompt ends with this step

    @property
    def totals(self) -> EngineTotals:
        """What the engine did so far."""
        return self._clock.totals(self._blocks.total)

    def run(self) -> None:
        """Serve every request."""
        at_s, clock = self._at_s, self._clock
        while True:
            if not self._running and self._partial == _NOBODY and not self._restarted:
                coming = at_s[self._head]
                if coming > clock.now_s:
                    if coming == math.inf:
                        return
                    clock.now_s = coming
            self._may_admit = True
            if not self._blocks.grow(clock.steps + 1):
                self._grow_one_by_one()
            load = self._fill()
            if load is not None:
                self._mixed(load)
            elif self._running:
                self._leap_ahead()
            elif self._may_admit:
                self._refuse()

    # --- what a step holds ---

    def _grow_one_by_one(self) -> None:
        """Blocks in batch order where they run out: the last sequence gives up its own."""
        order = list(self._running)
        place, last = 0, len(order)
        while place < last:
            if self._blocks.grow_one(self._clock.steps + 1, self._running[order[place]]):
                place += 1
            elif self._partial != _NOBODY:
                self._restart_partial()
            else:
                last -= 1
                self._restart(order[last])

    def _fill(self) -> StepLoad | None:
        """Chunks of prompts for what the decoding sequences leave of the step; None without any."""
        rules, decoding = self._rules, len(self._running)
        budget = rules.max_batched_tokens - decoding
        tokens = pairs = context = sequences = 0
        if self._partial != _NOBODY:
            before, new = self._partial_tokens, self._continue_partial(budget)
            if new:
                sequences, tokens = 1, new
                pairs, context = new * before + new * (new + 1) // 2, before + new
        while self._may_admit and tokens < budget and decoding + sequences < rules.max_sequences:
            if self._restarted:
                request = self._restarted[-1]
            elif self._at_s[self._head] <= self._clock.now_s:
                request = self._head
            else:
                break
            before, new = self._admit(request, budget - tokens, decoding + sequences > 0)
            if not new:
                break
            if self._restarted:
                self._restarted.pop()
            else:
                self._head += 1
            sequences += 1
            tokens += new
            pairs += new * before + new * (new + 1) // 2
            context += before + new
        if not sequences:
            return None
        return StepLoad(tokens, pairs, context, sequences, decoding, self._context)

    def _continue_partial(self, budget: int) -> int:
        """New tokens of the cut prompt; 0 when it found no blocks and was restarted."""
        request, before = self._partial, self._partial_tokens
        prompt = self._prompt_of(request)
        new = min(prompt - before, budget)
        held = max(self._blocks.holding(before + new), self._partial_blocks)
        if held - self._partial_blocks > self._blocks.free:
            self._restart_partial()
            return 0
        self._blocks.take(held - self._partial_blocks)
        if self._prefixes is not None:
            self._prefixes.computed(request, before + new)
        self._hold_prompt(request, before + new, held, prompt)
        return new

    def _admit(self, request: int, budget: int, others_run: bool) -> tuple[int, int]:
        """(cached, new) tokens of a request that joins the batch; (0, 0) when it must wait."""
        rules, blocks = self._rules, self._blocks
        prompt = self._prompt_of(request)
        hit = idle = 0
        if self._prefixes is not None:
            hit, idle = self._prefixes.look_up(request, prompt)
        cached = hit * rules.block_tokens
        new = prompt - cached
        if new > budget:
            if not rules.chunked_prefill:
                return 0, 0
            new = budget
        whole = blocks.holding(prompt)
        held = whole if rules.reserve_prompt else blocks.holding(cached + new)
        left = blocks.free - idle - ((whole if rules.prompt_must_fit else held) - hit)
        if left < (self._watermark if others_run or rules.watermark_when_idle else 0):
            return 0, 0
        if self._prefixes is None:
            blocks.take(held)
        else:
            self._prefixes.admit(request, hit)
            blocks.free -= idle
            blocks.take(held - hit)
            self._prefixes.computed(request, cached + new)
        self._hold_prompt(request, cached + new, held, prompt)
        return cached, new

    def _hold_prompt(self, request: int, computed: int, held: int, prompt: int) -> None:
        if computed == prompt:
            self._partial = _NOBODY
            self._whole.append((request, prompt))
        else:
            self._partial, self._partial_tokens, self._partial_blocks = request, computed, held

    def _prompt_of(self, request: int) -> int:
        return self._prompts[request] if request in self._prompts else self._prompt[request]

    # --- sequences that lose their blocks ---

    def _restart(self, request: int) -> None:
        """A decoding sequence waits in front again; its prompt is all its tokens so far."""
        offset = self._running.pop(request)
        tokens = self._clock.steps + 1 - offset
        self._context -= tokens
        self._blocks.forget(offset)
        self._wait_in_front(request, tokens, self._blocks.holding(tokens - 1))

    def _restart_partial(self) -> None:
        request, self._partial = self._partial, _NOBODY
        keeps = self._rules.restart_keeps_computed_prompt
        prompt = self._partial_tokens if keeps else self._prompt_of(request)
        self._wait_in_front(request, prompt, self._partial_blocks)

    def _wait_in_front(self, request: int, prompt: int, held: int) -> None:
        self._blocks.release(request, held)
        self._may_admit = self._rules.admit_after_restart
        self._prompts[request] = prompt
        self._restarted.append(request)
        self.restarts[request] += 1

    def _refuse(self) -> None:
        """Nothing runs and the first in the queue still does not fit: it never will."""
        if self._restarted:
            del self._prompts[self._restarted.pop()]
        else:
            self._head += 1
        self._arrivals.answered(self._clock.now_s)

    # --- time ---

    def _mixed(self, load: StepLoad) -> None:
        """One step that computes prompt tokens too."""
        used = self._blocks.total - self._blocks.free
        tokens = load.prefill_tokens + load.decode_sequences
        sequences = load.prefill_sequences + load.decode_sequences
        self._clock.advance(1, self._seconds(load), sequences, tokens, used, used)
        self._context += load.decode_sequences
        self._end_decoding()
        for request, prompt in self._whole:
            self._start_decoding(request, prompt)
        self._whole.clear()

    def _leap_ahead(self) -> None:
        """Decode-only steps until something else may happen."""
        clock, blocks, decoding = self._clock, self._blocks, len(self._running)
        coming = self._at_s[self._head]
        waits = self._restarted or coming <= clock.now_s
        until_s = math.inf if waits else coming - clock.now_s
        # Whoever waits now waits until a sequence ends, unless this step was barred from admitting.
        most = self._ends[0][0] - clock.steps if self._may_admit else 1
        most = blocks.affordable(clock.steps + 1, most, decoding)
        steps, seconds = self._leap(decoding, self._context, most, until_s)
        used = blocks.total - blocks.free
        more = blocks.grow_ahead(clock.steps + 1, steps - 1, decoding) if steps > 1 else 0
        clock.advance(steps, seconds, decoding, steps * decoding, used, used + more)
        self._context += steps * decoding
        self._end_decoding()

    def _start_decoding(self, request: int, prompt: int) -> None:
        """The prompt is done and its step gave a token: the first one, unless the request was restarted."""
        if math.isnan(self._first_s[request]):
            self._first_s[request] = self._clock.now_s
        total = self._prompt[request] + self._output[request]
        if total == prompt + 1:
            self._complete(request, prompt)
            return
        offset = self._clock.steps - prompt
        self._running[request] = offset
        self._context += prompt + 1
        self._blocks.follow(offset)
        self._places += 1
        heappush(self._ends, (total - 1 + offset, self._places, request))

    def _end_decoding(self) -> None:
        """Sequences that had their last token; one that was restarted since it was noted ends later."""
        ends, step = self._ends, self._clock.steps
        while ends and ends[0][0] <= step:
            request = heappop(ends)[2]
            tokens = self._prompt[request] + self._output[request] - 1
            offset = self._running.get(request)
            if offset is not None and step - offset == tokens:
                del self._running[request]
                self._context -= tokens + 1
                self._blocks.forget(offset)
                self._complete(request, tokens)

    def _complete(self, request: int, tokens: int) -> None:
        self._done_s[request] = self._clock.now_s
        self._prompts.pop(request, None)
        self._blocks.release(request, self._blocks.holding(tokens))
        self._arrivals.answered(self._clock.now_s)
