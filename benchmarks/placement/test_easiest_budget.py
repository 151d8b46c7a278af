"""The exact method beside the documented coarse program with its connection columns, on medium.

2.00 USD/h is the easiest budget that buys a plan: it is the cost of the cheapest one, so the fewest plans
fit in. Budgets below buy nothing, which is quicker to prove: `infeasible_budgets` has them. The program
is built beforehand and solved to the document's gap of 5 %; the exact method starts from the problem as
read and proves the optimum.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.placement import DOCUMENTED, Goal, read_problem, solve
from harness.placement.documented.methods import Search
from harness.placement.trials.exact_gain import excess, proof_faults, prove

OPTIMIZATION = Optimization(
    name="easiest_budget",
    title="The exact method instead of the documented program's easiest budget",
    metrics=(
        Metric("solve_time", "s", gate="paired", floor=0.25),  # array code shifts by 10 % between runs
        Metric("usd_per_token_excess", "ratio", gate="bounded", compare=excess, limit=0),
        Metric("proof_faults", "faults", gate="bounded", compare=proof_faults, limit=0),
    ),
    claims=(Claim("solve_time", "this project's goal", "over 1,000x less CPU time", ratio=(0, 0.001)),),
    requires=Requires(kind="host"),
    role="shipped",
)


@pytest.mark.slow
def test_easiest_budget(ab):
    problem = read_problem(ab.uses("fixtures/placement/medium"))
    documented = partial(Search(problem, DOCUMENTED).milp, Goal(usd_per_hour=2.0))
    ab.arms(baseline=Arm(partial(solve, gap=0.05), prepare=documented), optimized=partial(prove, problem))
    ab.run()
