"""Every optimization promise as an executable before/after pair. These names are the public ones."""

from harness.errors import HarnessError
from harness.measure.arms import Arm
from harness.measure.spec import Claim, Metric, Optimization, Requires

__all__ = ["Arm", "Claim", "HarnessError", "Metric", "Optimization", "Requires"]
