"""Records an account has, and how long; who may report and read them by the API."""

from __future__ import annotations

from reporting.models.alerts import (
    MOST_RECIPIENTS,
    MOST_RULES,
    AlertDelivery,
    AlertItem,
    AlertRule,
    OverdueRun,
)
from reporting.models.api_keys import ApiKey, ApiRequest
from reporting.models.availability import MOST_MONTHS, DataAvailability, DataType
from reporting.models.records import (
    Counted,
    DiskSample,
    DiskStatistic,
    ElasticitySample,
    Frequency,
    SessionReport,
    SessionStatistic,
    System,
    UsageStatistic,
    UserActivity,
)
from reporting.models.sessions import Session, SessionEvent, Wait

__all__ = [
    "MOST_MONTHS",
    "MOST_RECIPIENTS",
    "MOST_RULES",
    "AlertDelivery",
    "AlertItem",
    "AlertRule",
    "ApiKey",
    "ApiRequest",
    "Counted",
    "DataAvailability",
    "DataType",
    "DiskSample",
    "DiskStatistic",
    "ElasticitySample",
    "Frequency",
    "OverdueRun",
    "Session",
    "SessionEvent",
    "SessionReport",
    "SessionStatistic",
    "System",
    "UsageStatistic",
    "UserActivity",
    "Wait",
]
