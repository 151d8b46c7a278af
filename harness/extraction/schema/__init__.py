"""What is extracted: the 72 fields of a facility and the groups in which they are asked for."""

from __future__ import annotations

from harness.extraction.schema.fields import FIELDS, Field, Kind, Scope
from harness.extraction.schema.groups import GROUPS_8, GROUPS_12, GROUPS_13, Group

__all__ = ["FIELDS", "GROUPS_8", "GROUPS_12", "GROUPS_13", "Field", "Group", "Kind", "Scope"]
