from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.placement.documented.usages import Hopeless, Throughput, count_usages, shares_of, usages_of
from harness.placement.problem import Floats
from harness.placement.stages import StageTable


def nothing_is_hopeless(prices: Floats, _: Floats) -> NDArray[np.bool_]:
    return np.zeros(len(prices), dtype=np.bool_)


@st.composite
def tables(draw: st.DrawFn) -> StageTable:
    """Up to 2 types with TP 1 and 2, up to 6 layers, arbitrary rates of which many repeat or are absent."""
    types, layers = draw(st.integers(1, 2)), draw(st.integers(1, 6))
    rates = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.0]), min_size=layers, max_size=layers)
    rows = np.array([[0.0, *draw(rates)] for _ in range(2 * types)])
    return StageTable(
        layers=layers,
        most_stages=draw(st.integers(1, 4)),
        gpus=np.array([draw(st.integers(2, 4)) for _ in range(types)]),
        usd_per_hour=np.array([float(draw(st.integers(1, 3))) for _ in range(types)]),
        type=np.repeat(np.arange(types), 2),
        tp=np.tile([1, 2], types),
        tokens_per_s=rows,
        prefill_s=np.ones_like(rows),
    )


@settings(max_examples=100, deadline=None)
@given(tables())
def test_a_cap_is_lifted_only_by_using_every_group_of_the_type(table: StageTable) -> None:
    shares = shares_of(table, np.full(len(table.gpus), 2.5))
    existing = (table.tokens_per_s > 0).any(axis=1)
    for kind, groups, cap in zip(shares.kind.tolist(), shares.groups.tolist(), shares.cap, strict=True):
        others = [c for c in np.flatnonzero(existing) if table.type[c] == table.type[kind] and c != kind]
        unused = kind < 0 or others or groups < table.gpus[table.type[kind]] // table.tp[kind]
        fastest = np.inf if kind < 0 else table.tokens_per_s[kind].max()
        assert cap == (min(fastest, 2.5) if unused else fastest)


@settings(max_examples=100, deadline=None)
@given(tables())
def test_usages_are_all_combinations_by_cost(table: StageTable) -> None:
    shares = shares_of(table, np.full(len(table.gpus), np.inf))
    rows = [np.flatnonzero(shares.row == row).tolist() for row in np.unique(shares.row)]
    expected = {
        usage
        for usage in itertools.product(*rows)
        if 1 <= sum(shares.groups[share] for share in usage) <= table.most_stages
    }
    found = list(usages_of(shares, table.most_stages, nothing_is_hopeless))
    assert sorted(usage for part in found for usage in map(tuple, part.tolist())) == sorted(expected)
    assert count_usages(shares, table.most_stages) == len(expected)
    for part in found:
        assert (np.diff(shares.price[part].sum(axis=1)) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(tables(), st.integers(0, 12), st.sampled_from([0.5, 1.0, 2.5]))
def test_only_what_is_hopeless_is_left_out(table: StageTable, price: int, rate: float) -> None:
    """With a plan of this price and rate known: what is no cheaper and cannot be faster may go."""
    shares = shares_of(table, np.full(len(table.gpus), np.inf))

    def told(hopeless: Hopeless) -> set[tuple[int, ...]]:
        parts = usages_of(shares, table.most_stages, hopeless)
        return {usage for part in parts for usage in map(tuple, part.tolist())}

    def beaten(prices: Floats, caps: Floats) -> NDArray[np.bool_]:
        return (prices >= price) & (caps <= rate)

    for usage in told(nothing_is_hopeless) - told(beaten):
        assert shares.price[list(usage)].sum() >= price
        assert shares.cap[list(usage)].min() <= rate


@settings(max_examples=100, deadline=None)
@given(tables())
def test_throughput_equals_trying_all_sizes(table: StageTable) -> None:
    shares = shares_of(table, np.full(len(table.gpus), np.inf))
    throughput = Throughput(table, shares)
    if not len(throughput.thresholds):
        return
    usages = np.concatenate(list(usages_of(shares, table.most_stages, nothing_is_hopeless)))
    for usage in usages.tolist():
        kinds = [int(shares.kind[share]) for share in usage for _ in range(shares.groups[share])]
        sizes = range(1, table.layers + 1)
        reached = [
            min(table.tokens_per_s[kind, n] for kind, n in zip(kinds, choice, strict=True))
            for choice in itertools.product(sizes, repeat=len(kinds))
            if sum(choice) == table.layers
        ]
        best = max(reached, default=0.0)
        found = throughput.fastest(usage, 0)
        for number, rate in enumerate(throughput.thresholds):
            if rate <= best:
                assert throughput.may_reach(np.array([usage]), np.array([number])).all()
        assert (0.0 if found is None else throughput.thresholds[found]) == best
        if found is not None:
            stages = list(throughput.sizes(usage, found))
            assert sorted(kind for kind, _ in stages) == sorted(kinds)
            assert sum(n for _, n in stages) == table.layers
            assert table.rate(tuple(stages)) == best
