"""Results: what a run found, kept, compared with what was committed, and handed on.

The pandas tables live in `harness.results.frames` and `harness.results.compare`; they are imported
by name, because collecting benchmarks must not wait for pandas.
"""

from harness.results.baselines import (
    Baselines,
    CellBaseline,
    MetricBaseline,
    Origin,
    pin_baseline,
    read_baselines,
    update_command,
    vanished,
)
from harness.results.change import regression_p
from harness.results.documents import (
    Machine,
    Micro,
    Run,
    RunDocument,
    Vanished,
    cells_of,
    run_document,
    validate_results,
)
from harness.results.gate import exit_code, gate_cell, not_confirmed, regression_p_values
from harness.results.interchange import pytest_benchmark_document
from harness.results.records import cell_from_json, cell_to_json
from harness.results.runs import is_finished, read_run, recover_document, resolve_run
from harness.results.store import (
    create_run,
    load_cells,
    new_run_id,
    save_cell,
    save_header,
    save_results,
    save_samples,
    write_atomically,
)
from harness.results.update import update_baselines

__all__ = [
    "Baselines",
    "CellBaseline",
    "Machine",
    "MetricBaseline",
    "Micro",
    "Origin",
    "Run",
    "RunDocument",
    "Vanished",
    "cell_from_json",
    "cell_to_json",
    "cells_of",
    "create_run",
    "exit_code",
    "gate_cell",
    "is_finished",
    "load_cells",
    "new_run_id",
    "not_confirmed",
    "pin_baseline",
    "pytest_benchmark_document",
    "read_baselines",
    "read_run",
    "recover_document",
    "regression_p",
    "regression_p_values",
    "resolve_run",
    "run_document",
    "save_cell",
    "save_header",
    "save_results",
    "save_samples",
    "update_baselines",
    "update_command",
    "validate_results",
    "vanished",
    "write_atomically",
]
