"""The packages of the extra `prompts`, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from harness.errors import HarnessError


def package(name: str) -> Any:
    """The module of that name; raises HarnessError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise HarnessError(f"{error.name} is not installed", next_step="make install EXTRA=prompts") from None
