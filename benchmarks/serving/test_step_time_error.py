"""How far modelled step times are from measured ones: printed peak rates, against fitted constants.

The fitted ones are judged on GPUs that were left out of the fit. The data (published measurements of
Llama-2-70B) lie beside the checkout, not in it: see docs/cost-model.md.
"""

from operator import itemgetter

import pytest

from harness import Metric, Optimization, Requires
from harness.costmodel.error_trials import FILES, data_sheet_errors, left_out_errors, read_data

NAMES = ("decode_error_median", "decode_error_p90", "prefill_error_median", "prefill_error_p90")

OPTIMIZATION = Optimization(
    name="step_time_error",
    title="Fitted efficiency constants instead of printed rates",
    metrics=tuple(Metric(name, "ratio", gate="report", value=itemgetter(name)) for name in NAMES),
    requires=Requires(kind="host"),
)


@pytest.mark.slow
def test_step_time_error(ab, request):
    root = request.config.rootpath
    data = root.parent / "shared" / "data" / "measured"
    if not all((data / name).is_file() for name in FILES):
        pytest.skip("the measured step times are not beside this checkout")
    matrix = root / "hardware_matrix.toml"
    ab.arms(
        baseline=lambda: data_sheet_errors(read_data(data, matrix)),
        optimized=lambda: left_out_errors(read_data(data, matrix)),
    )
    ab.run()
