"""A way past gepa, which catches every `Exception` of a reflection and of a reflective dataset and goes on.

A failure that it swallows would be a wrong score or a lost proposal. What is raised here is no `Exception`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ThroughGepa(BaseException):
    """Carries a failure out of gepa's loop."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        super().__init__(str(failure))


@contextmanager
def carried() -> Iterator[None]:
    """Inside a call that gepa makes to us: whatever fails is carried out."""
    try:
        yield
    except Exception as failure:
        raise ThroughGepa(failure) from failure


@contextmanager
def unpacked() -> Iterator[None]:
    """Around gepa: the failure itself is raised again."""
    try:
        yield
    except ThroughGepa as carrier:
        raise carrier.failure from None
