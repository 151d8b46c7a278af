from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.stages import StageTable
from harness.placement.usages import Throughput, shares_of, usages_of


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
    shares = shares_of(table, np.full(len(table.gpus), 7.0))
    existing = (table.tokens_per_s > 0).any(axis=1)
    for kind, groups, cap in zip(shares.kind.tolist(), shares.groups.tolist(), shares.cap, strict=True):
        others = [c for c in np.flatnonzero(existing) if table.type[c] == table.type[kind] and c != kind]
        unused = kind < 0 or others or groups < table.gpus[table.type[kind]] // table.tp[kind]
        assert cap == (7.0 if unused else np.inf)


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
    usages = usages_of(shares, table.most_stages)
    assert sorted(map(tuple, usages.tolist())) == sorted(expected)
    assert (np.diff(shares.price[usages].sum(axis=1)) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(tables())
def test_throughput_equals_trying_all_sizes(table: StageTable) -> None:
    shares = shares_of(table, np.full(len(table.gpus), np.inf))
    throughput = Throughput(table, shares)
    usages = usages_of(shares, table.most_stages)
    for usage, bound in zip(usages.tolist(), throughput.bounds(usages).tolist(), strict=True):
        kinds = [int(shares.kind[share]) for share in usage for _ in range(shares.groups[share])]
        sizes = range(1, table.layers + 1)
        reached = [
            min(table.tokens_per_s[kind, n] for kind, n in zip(kinds, choice, strict=True))
            for choice in itertools.product(sizes, repeat=len(kinds))
            if sum(choice) == table.layers
        ]
        best = max(reached, default=0.0)
        found = throughput.fastest(usage, 0, bound)
        assert (0.0 if found is None else throughput.thresholds[found]) == best
        if found is not None:
            stages = list(throughput.sizes(usage, found))
            assert sorted(kind for kind, _ in stages) == sorted(kinds)
            assert sum(n for _, n in stages) == table.layers
            assert table.rate(tuple(stages)) == best
