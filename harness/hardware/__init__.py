"""The hardware matrix, this machine, which row it is, and what it lacks."""

from harness.hardware.machine import (
    Machine,
    describe_machine,
    fingerprint,
    machine_document,
    matching_row,
    unmatched_note,
)
from harness.hardware.matrix import load_matrix
from harness.hardware.models import ModelOverride, hub_folder, missing_weights, resolve_model, weights_folder
from harness.hardware.requirements import lacks, missing_here
from harness.hardware.rows import HOST_ROW, Checkpoint, Matrix, Row

__all__ = [
    "HOST_ROW",
    "Checkpoint",
    "Machine",
    "Matrix",
    "ModelOverride",
    "Row",
    "describe_machine",
    "fingerprint",
    "hub_folder",
    "lacks",
    "load_matrix",
    "machine_document",
    "matching_row",
    "missing_here",
    "missing_weights",
    "resolve_model",
    "unmatched_note",
    "weights_folder",
]
