"""The API for programs, under ``/api/v1``: keys, problems, addresses."""

from __future__ import annotations

from reporting.api.frame import framed
from reporting.api.site import api

__all__ = ["api", "framed"]
