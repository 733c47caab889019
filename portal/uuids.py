"""Ids that come from outside, as text."""

from __future__ import annotations

from uuid import UUID


def as_uuid(text: str) -> UUID | None:
    """Return the UUID, or None when it is not one."""
    try:
        return UUID(text)
    except ValueError:
        return None
