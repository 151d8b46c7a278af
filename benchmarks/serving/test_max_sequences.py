"""At most 64 sequences in a step instead of 32, asked by 64 threads.

prompt-optimizers.md sets "Max Sequences: 32-64" and promises nothing. Both engines share the card, so each
gets 45 % of its memory, in the model as well.
"""

from dataclasses import replace

import pytest

from harness import Arm, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened, serving_engine
from harness.engines.workloads import FIRST_TOKEN, THROUGHPUT, answered_by_threads, new_requests

LOAD, THREADS, SHARE = trials.GEPA_EVALUATIONS, 64, 0.45

OPTIMIZATION = Optimization(
    name="max_sequences",
    title="Up to 64 sequences in a step instead of 32",
    metrics=(THROUGHPUT, FIRST_TOKEN),
    requires=Requires(kind="cuda", extras=("gpu",), model="prompts_optimize"),
)


@pytest.mark.slow
def test_max_sequences(ab):
    def arm(sequences):
        settings = {"max_num_seqs": sequences, "gpu_memory_utilization": SHARE}
        return Arm(
            lambda it, requests: answered_by_threads(it, requests, THREADS),
            prepare=lambda: opened(lambda: serving_engine(ab.model, ab.hardware, **settings)),
        )

    def modelled(sequences):
        settings = {"max_sequences": sequences, "gpu_memory_utilization": SHARE}
        return lambda row: trials.closed_loop(replace(trials.prompt_serving(row), **settings), LOAD, THREADS)

    ab.arms(
        baseline=arm(32),
        optimized=arm(64),
        each_round=new_requests(*LOAD.lengths(), shared_tokens=LOAD.shared_tokens),
    )
    ab.modelled(modelled(32), modelled(64), trials.version())
    ab.run()
