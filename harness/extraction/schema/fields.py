"""The 72 fields, in the schema's order: that of the 13 groups (research page, section 1.13)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.extraction.schema.deal_fields import DEAL_GROUPS
from harness.extraction.schema.facility_fields import FACILITY_GROUPS
from harness.extraction.schema.field import Field, Kind, Scope

__all__ = ["FIELDS", "Field", "Kind", "Scope"]

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        field.key: field
        for group in (FACILITY_GROUPS[0], *DEAL_GROUPS, *FACILITY_GROUPS[1:])
        for field in group
    }
)
