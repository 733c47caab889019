"""Records an account has, and how long; who may report and read them by the API."""

from __future__ import annotations

from reporting.models.api_keys import ApiKey, ApiRequest
from reporting.models.availability import MOST_MONTHS, DataAvailability, DataType
from reporting.models.sessions import Session, SessionEvent, Wait

__all__ = [
    "MOST_MONTHS",
    "ApiKey",
    "ApiRequest",
    "DataAvailability",
    "DataType",
    "Session",
    "SessionEvent",
    "Wait",
]
