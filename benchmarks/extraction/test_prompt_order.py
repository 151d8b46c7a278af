"""The document in front of the question instead of behind it: what a prefix cache need not compute again.

The prompts are those of our pipeline with a perfect reader; tokens are four characters. Where a window is
asked for several bundles of 18 fields its text is shared; where every prompt asks for all 72 fields it is the
question that prompts have in common, and the other order would compute less. Goal of our own: half.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.extraction.pipeline.settings import Settings
from harness.extraction.trials.prompt_order import prefilled, prompts, task_first

OPTIMIZATION = Optimization(
    name="prompt_order",
    title="Rules, document, question: an order that a prefix cache keeps",
    metrics=(
        Metric("computed_tokens", "tokens", gate="exact", value=lambda it: it.computed),
        Metric("prompts", "prompts", gate="exact", value=lambda it: it.prompts),
    ),
    claims=(Claim("computed_tokens", "this project's goal", "half of the tokens or fewer", ratio=(0, 0.5)),),
    requires=Requires(kind="host"),
    role="shipped",
)
WAYS = {
    "default": Settings(),
    "scan_72": Settings(budget_calls=None, bundle_fields=72, adaptive=False),
    "scan_18": Settings(budget_calls=None, bundle_fields=18, adaptive=False),
}


@pytest.mark.parametrize("way", WAYS)
def test_prompt_order(ab, way):
    asked = partial(prompts, WAYS[way])

    def swapped():
        return [[task_first(prompt) for prompt in each] for each in asked()]

    ab.arms(baseline=Arm(prefilled, prepare=swapped), optimized=Arm(prefilled, prepare=asked))
    ab.run()
