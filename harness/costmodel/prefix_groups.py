"""Prompts as token ids -> prefix groups, as the simulation takes them.

A real prefix cache is a tree: prompts share their beginning, then part, and may part again. The simulation
knows chains only: in a group the shorter prefix begins the longer one. So each group follows one path through
the tree, its trunk, and a prompt that leaves the trunk shares what it has of it. Nothing is ever shared that
the prompts do not share; what is shared beside a trunk is computed, so hits are rather too few than too many.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.costmodel.simulation.requests import NO_GROUP

_ROOT = 0


class PrefixGroups:
    """Groups of the prompts seen so far; what a prompt was told never changes when others come.

    The tree's nodes are full blocks of `block_tokens` ids. Memory grows with the blocks of all prompts.
    """

    def __init__(self, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._nodes: dict[tuple[int, tuple[int, ...]], int] = {}  # (node, next block) -> next node
        self._trunk: dict[int, int] = {}  # node -> the first group whose trunk passes it
        self._ends: list[int] = []  # last node of each group's trunk

    def assign(self, prompt: Sequence[int]) -> tuple[int, int]:
        """(group, shared tokens) of one more prompt, whole blocks; (-1, 0) when it is shorter than a block.

        A prompt that begins with a whole trunk makes it longer. One that leaves a trunk for a path that was
        gone before, and has more blocks of that than of the trunk, begins a trunk of its own: it computes
        what it could have shared, once, and those after it find all of it.
        """
        path, known = self._path(prompt)
        if not path:
            return NO_GROUP, 0
        covered = sum(node in self._trunk for node in path)
        if not covered or known - covered > covered:
            group = len(self._ends)
            self._ends.append(_ROOT)
        else:
            group = self._trunk[path[covered - 1]]
            if self._ends[group] != path[covered - 1]:
                return group, covered * self._block_tokens
        for node in path[covered:]:
            self._trunk[node] = group
        self._ends[group] = path[-1]
        return group, len(path) * self._block_tokens

    def _path(self, prompt: Sequence[int]) -> tuple[list[int], int]:
        """The nodes of the prompt's full blocks, and how many of them, from the first, other prompts had."""
        size, node, before = self._block_tokens, _ROOT, len(self._nodes)
        path = []
        for start in range(0, len(prompt) - size + 1, size):
            key = (node, tuple(prompt[start : start + size]))
            node = self._nodes.setdefault(key, len(self._nodes) + 1)
            path.append(node)
        return path, sum(node <= before for node in path)
