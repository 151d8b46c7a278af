"""A slow and obvious continuously batching engine: step by step, sequence by sequence, block by block.

It shares nothing with the fast one but the rules it is given. Every block has an identity; a prefix block is
found by its group and place; free blocks stand in one queue. It checks its own account in every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.costmodel.load import StepLoad


@dataclass(eq=False)
class Sequence:
    row: int
    arrived_s: float
    prompt: int
    total: int
    group: int
    prefix: int
    computed: int = 0  # tokens with an entry in the cache
    known: int = 0  # prompt tokens and those generated
    blocks: list = field(default_factory=list)
    first_s: float = math.nan
    completed_s: float = math.nan
    restarts: int = 0
    cached_tokens: int = 0

    @property
    def decodes(self):
        return self.computed >= self.prompt


class Pool:
    """Blocks by number; `queue` holds the free ones, the next to be taken first."""

    def __init__(self, blocks):
        self.queue = list(range(blocks))
        self.references = [0] * blocks
        self.key_of = {}
        self.block_of = {}

    def take(self):
        block = self.queue.pop(0)
        if block in self.key_of:
            del self.block_of[self.key_of.pop(block)]
        self.references[block] = 1
        return block

    def touch(self, block):
        if self.references[block] == 0:
            self.queue.remove(block)
        self.references[block] += 1

    def remember(self, block, key):
        if key not in self.block_of:
            self.block_of[key] = block
            self.key_of[block] = key

    def release(self, blocks):
        for block in reversed(blocks):
            self.references[block] -= 1
            assert self.references[block] >= 0
            if self.references[block] == 0:
                self.queue.append(block)


class ReferenceEngine:
    def __init__(self, requests, rules, blocks, step_time, closed=None):
        self.rules, self.step_time, self.closed = rules, step_time, closed
        self.total_blocks = blocks
        self.pool = Pool(blocks)
        columns = (requests.arrived_s, requests.prompt_tokens, requests.output_tokens)
        shared = (requests.prefix_group, requests.prefix_tokens)
        self.all = [
            Sequence(row, float(at), int(p), int(p + o), int(g), int(s), known=int(p))
            for row, (at, p, o, g, s) in enumerate(zip(*columns, *shared, strict=True))
        ]
        self.coming = [one for one in self.all if self.fits(one)]
        if closed is not None:
            for place, one in enumerate(self.coming):
                one.arrived_s = 0.0 if place < closed.threads else math.inf
        self.unsent = [one for one in self.coming if one.arrived_s == math.inf]
        self.waiting, self.running = [], []
        self.now_s = self.busy_s = self.sequence_s = self.block_s = 0.0
        self.steps = self.peak_blocks = self.computed_tokens = 0

    def fits(self, one):
        block = self.rules.block_tokens
        kept = self.rules.watermark_blocks(self.total_blocks) if self.rules.watermark_when_idle else 0
        return (
            math.ceil(one.prompt / block) + kept <= self.total_blocks
            and math.ceil((one.total - 1) / block) <= self.total_blocks
            and (self.rules.chunked_prefill or one.prompt <= self.rules.max_batched_tokens)
        )

    def run(self):
        while self.coming or self.waiting or self.running:
            if not self.waiting and not self.running and self.coming[0].arrived_s > self.now_s:
                self.now_s = self.coming[0].arrived_s
            while self.coming and self.coming[0].arrived_s <= self.now_s:
                self.waiting.append(self.coming.pop(0))
            self.step()
        return self

    def answered(self):
        if self.unsent:
            self.unsent.pop(0).arrived_s = self.now_s + self.closed.think_s

    # --- one step ---

    def step(self):
        batch = []  # (sequence, new tokens)
        self.restarted = False
        self.schedule_running(batch)
        if not self.restarted or self.rules.admit_after_restart:
            self.admit(batch)
            if not batch and not self.running:
                self.waiting.pop(0)
                self.answered()
        if batch:
            self.compute(batch)

    def schedule_running(self, batch):
        queue = list(self.running)
        cut = [one for one in queue if not one.decodes]
        for one in [one for one in queue if one.decodes] + cut:
            if one not in self.running:
                continue
            left = self.rules.max_batched_tokens - sum(new for _, new in batch)
            new = 1 if one.decodes else min(one.prompt - one.computed, left)
            if self.make_room(one, new, batch):
                while len(one.blocks) < math.ceil((one.computed + new) / self.rules.block_tokens):
                    one.blocks.append(self.pool.take())
                if not one.decodes:
                    self.remember_prefix(one, one.computed + new)
                batch.append((one, new))

    def make_room(self, one, new, batch):
        least = 1 if self.rules.decode_needs_free_block and one.decodes else 0
        more = math.ceil((one.computed + new) / self.rules.block_tokens) - len(one.blocks)
        while len(self.pool.queue) < max(more, least):
            victim = self.running.pop()
            assert all(victim is not scheduled for scheduled, _ in batch)
            self.restart(victim)
            if victim is one:
                return False
        return True

    def restart(self, victim):
        self.restarted = True
        if self.rules.restart_keeps_computed_prompt and not victim.decodes:
            victim.prompt = victim.computed
        else:
            victim.prompt = victim.known
        victim.known = victim.prompt
        victim.computed = 0
        victim.restarts += 1
        self.pool.release(victim.blocks)
        victim.blocks = []
        self.waiting.insert(0, victim)

    def admit(self, batch):
        rules = self.rules
        while self.waiting and len(self.running) < rules.max_sequences:
            one = self.waiting[0]
            left = rules.max_batched_tokens - sum(new for _, new in batch)
            found = self.look_up(one)
            cached = len(found) * rules.block_tokens
            new = one.prompt - cached
            if new > left and not rules.chunked_prefill:
                return
            new = min(new, left)
            if new == 0:
                return
            whole = math.ceil(one.prompt / rules.block_tokens)
            held = whole if rules.reserve_prompt else math.ceil((cached + new) / rules.block_tokens)
            kept = rules.watermark_blocks(self.total_blocks)
            if not self.running and not rules.watermark_when_idle:
                kept = 0
            idle = sum(self.pool.references[block] == 0 for block in found)
            must = whole if rules.prompt_must_fit else held
            if len(self.pool.queue) - idle - (must - len(found)) < kept:
                return
            self.waiting.pop(0)
            self.running.append(one)
            for block in found:
                self.pool.touch(block)
            one.blocks = found + [self.pool.take() for _ in range(held - len(found))]
            one.computed = cached
            one.cached_tokens += cached
            self.remember_prefix(one, cached + new)
            batch.append((one, new))

    def look_up(self, one):
        found = []
        if self.rules.prefix_caching and one.group >= 0:
            for place in range(min(one.prefix, one.prompt - 1) // self.rules.block_tokens):
                if (one.group, place) not in self.pool.block_of:
                    break
                found.append(self.pool.block_of[one.group, place])
        return found

    def remember_prefix(self, one, computed):
        if self.rules.prefix_caching and one.group >= 0:
            for place in range(min(one.prefix, computed) // self.rules.block_tokens):
                self.pool.remember(one.blocks[place], (one.group, place))

    def compute(self, batch):
        self.check(batch)
        chunks = [(new, one.computed) for one, new in batch if not one.decodes]
        contexts = [one.computed + 1 for one, _ in batch if one.decodes]
        load = StepLoad(
            prefill_tokens=sum(new for new, _ in chunks),
            prefill_pairs=sum(sum(before + i + 1 for i in range(new)) for new, before in chunks),
            prefill_context_tokens=sum(new + before for new, before in chunks),
            prefill_sequences=len(chunks),
            decode_sequences=len(contexts),
            decode_context_tokens=sum(contexts),
        )
        seconds = self.step_time.seconds(load)
        used = self.total_blocks - len(self.pool.queue)
        self.now_s += seconds
        self.steps += 1
        self.computed_tokens += sum(new for _, new in batch)
        self.busy_s += seconds
        self.sequence_s += seconds * len(batch)
        self.block_s += seconds * used
        self.peak_blocks = max(self.peak_blocks, used)
        for one, new in batch:
            one.computed += new
            if one.decodes:
                one.known += 1
                if math.isnan(one.first_s):
                    one.first_s = self.now_s
                if one.known == one.total:
                    one.completed_s = self.now_s
                    self.running.remove(one)
                    self.pool.release(one.blocks)
                    one.blocks = []
                    self.answered()

    def check(self, batch):
        """No block is given away twice, no rule is overstepped, nobody is forgotten."""
        rules = self.rules
        assert len(batch) == len(self.running) <= rules.max_sequences
        assert 0 < sum(new for _, new in batch) <= rules.max_batched_tokens
        counted = [0] * self.total_blocks
        for one in self.running:
            for block in one.blocks:
                counted[block] += 1
        assert counted == self.pool.references
        assert sorted(self.pool.queue) == [block for block, count in enumerate(counted) if count == 0]
        for one, new in batch:
            assert len(one.blocks) * rules.block_tokens >= one.computed + new
