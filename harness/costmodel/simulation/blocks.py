"""The account of KV blocks: what decoding sequences need in each step, without touching any of them.

A sequence whose prompt of p tokens is done in step s has offset s - p: in a later step t it holds t - offset
tokens, the new one included, and takes another block when that is one more than whole blocks hold. So the
sequences that need a block in step t are those whose offset + 1 equals t modulo the block size.
"""

from __future__ import annotations

from harness.costmodel.simulation.prefix import SharedPrefixes


class BlockAccount:
    """Free blocks, and how many decoding sequences need one, by step number modulo the block size.

    `spare` blocks must be free when a decoding sequence is scheduled, whether it needs one or not. With
    `prefixes`, cached blocks that nobody uses count as free.
    """

    __slots__ = ("_block", "_due", "_prefixes", "_spare", "free", "total")

    def __init__(self, total: int, block_tokens: int, spare: int, prefixes: SharedPrefixes | None) -> None:
        self.total = self.free = total
        self._block = block_tokens
        self._spare = spare
        self._prefixes = prefixes
        self._due = [0] * block_tokens

    def holding(self, tokens: int) -> int:
        """Blocks that hold so many tokens."""
        return -(-tokens // self._block)

    def follow(self, offset: int) -> None:
        """A sequence begins to decode."""
        self._due[(offset + 1) % self._block] += 1

    def forget(self, offset: int) -> None:
        """A decoding sequence ends or is restarted."""
        self._due[(offset + 1) % self._block] -= 1

    def take(self, count: int) -> None:
        """Free blocks are given to a sequence."""
        self.free -= count
        if count and self._prefixes is not None:
            self._prefixes.take(count)

    def release(self, request: int, count: int) -> None:
        """All blocks of a sequence become free, but those of a prefix that others use."""
        self.free += count if self._prefixes is None else self._prefixes.release(request, count)

    def grow(self, step: int) -> bool:
        """Blocks for this step's decoding sequences; False, and nothing is taken, where they may not do."""
        due = self._due[step % self._block]
        if self.free - due < self._spare:
            return False
        self.take(due)
        return True

    def grow_one(self, step: int, offset: int) -> bool:
        """The same for one sequence; False where blocks do not do."""
        needs = int((step - offset - 1) % self._block == 0)
        if self.free < max(needs, self._spare):
            return False
        self.take(needs)
        return True

    def affordable(self, step: int, most: int, sequences: int) -> int:
        """How many steps from this one on, at most `most`, find enough blocks; this one has them already."""
        if self.free < self._spare:
            return 1
        cycles, room = divmod(self.free - self._spare, sequences)
        if cycles * self._block >= most - 1:
            return most
        # In as many steps as a block has tokens every sequence needs one block: no walk over whole cycles.
        for more in range(cycles * self._block + 1, most):
            room -= self._due[(step + more) % self._block]
            if room < 0:
                return more
        return most

    def grow_ahead(self, step: int, more: int, sequences: int) -> int:
        """Takes and counts the blocks for `more` decode-only steps after this one."""
        cycles, rest = divmod(more, self._block)
        due = cycles * sequences
        for ahead in range(step + 1, step + 1 + rest):
            due += self._due[ahead % self._block]
        self.take(due)
        return due
