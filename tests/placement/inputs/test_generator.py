from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.exact.cheapest import cheapest_choice
from harness.placement.exact.front import exact_front
from harness.placement.inputs.corrected import CORRECTED_RATES, corrected_problem
from harness.placement.inputs.generator import FAMILY_LAYERS, MODEL_GB, pool_family, synthetic_pool
from harness.placement.inputs.writer import write_problem
from harness.placement.problem import Problem
from harness.placement.rates import GPU_SPECS, require_fast_links
from harness.placement.stages import stage_table

WRITE = """
import sys
from pathlib import Path
from harness.placement.inputs.generator import pool_family, synthetic_pool
from harness.placement.inputs.writer import write_problem
write_problem(synthetic_pool(7, 12), Path(sys.argv[1]) / "pool")
for number, problem in enumerate(pool_family(3, seed=5)):
    write_problem(problem, Path(sys.argv[1]) / f"family{number}")
"""


def digest(directory: Path, *names: str) -> str:
    files = sorted(path for path in directory.rglob("*.csv") if path.name in names or not names)
    return hashlib.sha256(
        b"".join(str(path.relative_to(directory)).encode() + path.read_bytes() for path in files)
    ).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    for hash_seed in ("0", "1", "random"):
        subprocess.run(
            [sys.executable, "-c", WRITE, str(tmp_path / hash_seed)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
        )
    digests = {digest(directory) for directory in tmp_path.iterdir()}
    assert len(digests) == 1
    assert len(list(tmp_path.rglob("*.csv"))) == 3 * 4 * 3


def test_the_draws_are_these(tmp_path: Path) -> None:
    # What committed figures were computed from; another digest is another workload.
    write_problem(synthetic_pool(1, 30), tmp_path / "pool")
    for number, problem in enumerate(pool_family(10)):
        write_problem(problem, tmp_path / f"{number}")
    assert digest(tmp_path, "gpu_pool.csv", "network_bandwidth.csv") == (
        "cac407f9eb73b4bf944624f4c3d296f3bbe81c0bfff611039df6ed29f1d52899"
    )


@given(
    seed=st.integers(0, 2**40),
    types=st.integers(1, 40),
    gpus=st.tuples(st.integers(1, 9), st.integers(0, 30)),
    layers=st.integers(5, 130),
)
def test_a_pool_is_what_was_asked_for(seed: int, types: int, gpus: tuple[int, int], layers: int) -> None:
    fewest, most = gpus[0], sum(gpus)
    problem = synthetic_pool(seed, types, (fewest, most), layers)
    names = [gpu.name for gpu in problem.pool]
    assert names == sorted(set(names))
    assert len(names) == types
    assert all(fewest <= gpu.count <= most for gpu in problem.pool)
    assert problem.layers * problem.config.layer_weight_memory_gb == pytest.approx(MODEL_GB)
    links = problem.bandwidth_gb_per_s
    assert links.shape == (types, types)
    assert np.array_equal(links, links.T)
    assert set(np.diag(links)) <= {32, 64, 300, 600, 900}
    assert set(links[~np.eye(types, dtype=np.bool_)]) <= {12.5, 25, 50}
    assert not links.flags.writeable


def test_figures_stay_near_real_cards_and_differ() -> None:
    pool = synthetic_pool(3, 200).pool
    specs = [gpu.spec for gpu in pool]
    assert len(set(specs)) == len(specs)
    for gpu, spec in zip(pool, specs, strict=True):
        assert spec is not None
        assert 65 / 1.51 <= spec.tflops <= 989 * 1.51
        assert 320 / 1.31 <= spec.memory_gb_per_s <= 3350 * 1.31
        assert 0.35 <= spec.efficiency <= 0.65
        assert gpu.memory_gb in {16, 24, 32, 40, 48, 64, 80, 96, 160}
        assert gpu.usd_per_hour > 0
    logs = np.log([[gpu.usd_per_hour, gpu.spec.tflops] for gpu in pool if gpu.spec])
    assert np.corrcoef(logs.T)[0, 1] > 0.7


def test_a_model_of_few_layers_is_one_stage() -> None:
    assert [synthetic_pool(1, 2, layers=layers).config.min_layers_per_stage for layers in (3, 6)] == [3, 5]


def test_300_types_and_over_10_000_gpus_in_no_time() -> None:
    started = time.process_time()
    problem = synthetic_pool(1, 300, (20, 60), 126)
    assert problem.gpus > 10_000
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"types": 0}, r"synthetic pool: types is 0 \(allowed: at least 1\)"),
        ({"seed": -1}, r"seed is -1 \(allowed: at least 0\)"),
        ({"gpus_per_type": (5, 4)}, r"fewest GPUs per type is 5 \(allowed: 1 to 4\)"),
        ({"gpus_per_type": (0, 4)}, r"fewest GPUs per type is 0 \(allowed: 1 to 4\)"),
        ({"layers": 0}, r"layers is 0"),
        ({"max_pipeline_stages": 0}, r"max_pipeline_stages is 0"),
    ],
)
def test_a_pool_that_cannot_be(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        synthetic_pool(**{"seed": 1, "types": 2, **arguments})  # type: ignore[arg-type]


def test_the_family() -> None:
    family = pool_family(100)
    assert len({problem.pool for problem in family}) == 100
    assert {problem.layers for problem in family} == set(FAMILY_LAYERS)
    assert {len(problem.pool) for problem in family} == {2, 3, 4, 5}
    for problem in family:
        assert all(4 <= gpu.count <= 24 and gpu.name in GPU_SPECS for gpu in problem.pool)
        require_fast_links(problem, float(stage_table(problem).thresholds[-1]))
    assert all(cheapest_choice(stage_table(problem), 0.0) is not None for problem in family[::10])


def test_a_longer_family_starts_like_a_shorter_one() -> None:
    assert [p.pool for p in pool_family(6, seed=2)[:3]] == [p.pool for p in pool_family(3, seed=2)]
    assert pool_family(1, seed=2)[0].pool != pool_family(1, seed=3)[0].pool


@pytest.mark.parametrize(("name", "gpus", "points"), [("small", 10, 5), ("large", 366, 20)])
def test_committed_problems_have_plans_to_choose_from(
    name: str, gpus: int, points: int, request: pytest.FixtureRequest
) -> None:
    problem: Problem = request.getfixturevalue(name)
    assert problem.gpus == gpus
    table = stage_table(problem)
    require_fast_links(problem, float(table.thresholds[-1]))
    assert len(exact_front(table).points) >= points
    real = corrected_problem(problem)
    assert len(exact_front(stage_table(real, rates=CORRECTED_RATES)).points) >= points
