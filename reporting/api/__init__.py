"""The API for programs, under ``/api/v1``: keys, problems, addresses."""

from __future__ import annotations

from reporting.api.site import api, marked

__all__ = ["api", "marked"]
