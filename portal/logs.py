"""JSON logs: one line an event, with the request's and the task's id bound to it."""

from __future__ import annotations

from typing import Any

import structlog

_SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_config(level: str) -> dict[str, Any]:
    """Return LOGGING for Django and set structlog up to go the same way."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "filters": {"outages": {"()": "portal.outages.OneLine"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            "django.request": {"level": "ERROR", "filters": ["outages"]},
            # Two records for each call; the tasks say what they did.
            "azure": {"level": "WARNING"},
            # At DEBUG these write out whole contexts of pages, rows as they are stored, and
            # addresses with what stands in them, such as the keys of webhooks.
            "django.template": {"level": "INFO"},
            "django.db.backends": {"level": "INFO"},
            "urllib3": {"level": "INFO"},
            "django-q": {
                "handlers": ["console"],
                "level": level,
                "propagate": False,
                "filters": ["outages"],
            },
        },
    }
