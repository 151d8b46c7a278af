"""The prefix cache: which blocks of which shared prefix are kept, and which free block goes next."""

from __future__ import annotations

from collections import deque

from harness.costmodel.simulation.requests import Ints, Requests


class _Span:
    """Free blocks that lie side by side in the queue: [low, high) of a group's prefix, or nobody's."""

    __slots__ = ("group", "high", "low")

    def __init__(self, group: _Group | None, low: int, high: int) -> None:
        self.group = group
        self.low = low
        self.high = high


class _Group:
    """The blocks of one shared prefix: [0, cached) are kept, [0, referenced) are in use."""

    __slots__ = ("cached", "holders", "name", "referenced", "spans")

    def __init__(self, name: int) -> None:
        self.name = name
        self.cached = 0
        self.referenced = 0
        self.holders: dict[int, int] = {}
        self.spans: list[_Span] = []


class PrefixCache:
    """Full blocks of shared prefixes with reference counts, and the queue of free blocks.

    A block that nobody references stays cached until it comes to the front of the queue and is taken. The
    tail of a prefix enters the queue before its head, so what is cached always is the beginning, and so is
    what is referenced: a few numbers per group and per release, however long the prefix. This is vLLM's
    free block queue (vllm/v1/core/block_pool.py) with runs of blocks instead of blocks.
    """

    __slots__ = ("_groups", "_queue")

    def __init__(self, blocks: int) -> None:
        self._groups: dict[int, _Group] = {}
        self._queue = deque([_Span(None, 0, blocks)])

    def cached(self, group: int, most_blocks: int) -> tuple[int, int]:
        """(hit, idle): leading blocks found, at most `most_blocks`, and how many of them nobody uses."""
        known = self._groups.get(group)
        if known is None:
            return 0, 0
        hit = min(known.cached, most_blocks)
        return hit, max(0, hit - known.referenced)

    def extend(self, group: int, before: int, now: int) -> bool:
        """A sequence that holds the first `before` blocks computed more of them, up to `now`.

        False where the cache has them already: then the new ones stay the sequence's own.
        """
        known = self._groups.get(group)
        if known is not None and known.cached > before:
            return False
        self.hold(group, before, now)
        return True

    def hold(self, group: int, before: int, now: int) -> None:
        """A sequence that referenced the first `before` blocks references the first `now` (more of them)."""
        known = self._groups.get(group)
        if known is None:
            known = self._groups[group] = _Group(group)
        if before:
            _leave(known, before)
        known.holders[now] = known.holders.get(now, 0) + 1
        if now > known.referenced:
            known.referenced = now
            for span in known.spans:
                span.low = min(max(span.low, now), span.high)
            known.spans = [span for span in known.spans if span.low < span.high]
        known.cached = max(known.cached, now)

    def release(self, group: int, held: int) -> int:
        """A sequence lets go of the first `held` blocks; how many became free."""
        known = self._groups[group]
        _leave(known, held)
        referenced = max(known.holders, default=0)
        freed = known.referenced - referenced
        if freed:
            span = _Span(known, referenced, known.referenced)
            known.spans.append(span)
            self._queue.append(span)
            known.referenced = referenced
        return freed

    def give(self, count: int) -> None:
        """`count` blocks that nobody shares become free."""
        if not count:
            return
        last = self._queue[-1] if self._queue else None
        if last is not None and last.group is None:
            last.high += count
        else:
            self._queue.append(_Span(None, 0, count))

    def take(self, count: int) -> None:
        """`count` free blocks are taken, the longest free first; cached ones are lost."""
        while count:
            span = self._queue[0]
            taken = min(count, span.high - span.low)
            span.high -= taken
            count -= taken
            if span.group is not None and taken:
                self._evict(span.group, span)
            if span.low == span.high:
                self._queue.popleft()

    def _evict(self, group: _Group, span: _Span) -> None:
        group.cached = span.high
        if span.low == span.high:
            group.spans.remove(span)
        if not group.cached and not group.holders:
            del self._groups[group.name]


def _leave(group: _Group, held: int) -> None:
    left = group.holders[held] - 1
    if left:
        group.holders[held] = left
    else:
        del group.holders[held]


class SharedPrefixes:
    """What each sequence of a scheduler holds in a `PrefixCache`."""

    __slots__ = ("_block", "_cache", "_cached_tokens", "_group", "_held", "_prefix", "take")

    def __init__(self, requests: Requests, blocks: int, block_tokens: int, cached_tokens: Ints) -> None:
        self._group = requests.prefix_group.data
        self._prefix = requests.prefix_tokens.data
        self._block = block_tokens
        self._cache = PrefixCache(blocks)
        self._cached_tokens = cached_tokens
        self._held: dict[int, int] = {}
        self.take = self._cache.take

    def look_up(self, request: int, prompt: int) -> tuple[int, int]:
        """(hit, idle): leading blocks of the prompt in the cache, and those of them nobody uses.

        The last token of a prompt is always computed: the first output token comes of it.
        """
        most = min(self._prefix[request], prompt - 1) // self._block
        return self._cache.cached(self._group[request], most) if most else (0, 0)

    def admit(self, request: int, hit: int) -> None:
        """A sequence holds the `hit` blocks it found."""
        if hit:
            self._cache.hold(self._group[request], 0, hit)
            self._held[request] = hit
            self._cached_tokens[request] += hit * self._block

    def computed(self, request: int, tokens: int) -> None:
        """The first `tokens` of a prompt are computed or about to be: others may find them."""
        now, before = min(self._prefix[request], tokens) // self._block, self._held.get(request, 0)
        if now > before and self._cache.extend(self._group[request], before, now):
            self._held[request] = now

    def release(self, request: int, blocks: int) -> int:
        """A sequence lets go of its `blocks`, its tail first; how many became free."""
        held = self._held.pop(request, 0)
        self._cache.give(blocks - held)
        return blocks - held + (self._cache.release(self._group[request], held) if held else 0)
