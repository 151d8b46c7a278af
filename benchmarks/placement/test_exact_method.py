"""The exact method instead of the documented program: the proven cheapest token from every size.

Baseline: the documented coarse program with its connection columns, built beforehand, at the cost of the
cheapest plan, which is its easiest budget that buys one: the fewest plans fit in. Optimized: from the
problem as read to the proof, every size, corrected rules.
"""

from functools import partial

from harness import Arm, Metric, Optimization, Requires
from harness.placement import DOCUMENTED, Goal, read_problem, solve
from harness.placement.documented.methods import Search
from harness.placement.trials.exact_gain import excess, proof_faults, prove

OPTIMIZATION = Optimization(
    name="exact_method",
    title="The exact method instead of the documented program",
    metrics=(
        Metric("solve_time", "s", gate="paired", floor=0.25),  # array code shifts by 10 % between runs
        Metric("usd_per_token_excess", "ratio", gate="bounded", compare=excess, limit=0),
        Metric("proof_faults", "faults", gate="bounded", compare=proof_faults, limit=0),
    ),
    requires=Requires(kind="host"),
    role="shipped",
)


def test_exact_method(ab):
    problem = read_problem(ab.uses("fixtures/placement/small"))
    documented = partial(Search(problem, DOCUMENTED).milp, Goal(usd_per_hour=0.6))
    ab.arms(baseline=Arm(partial(solve, gap=0.05), prepare=documented), optimized=partial(prove, problem))
    ab.run()
