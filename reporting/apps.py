"""What happened and how things stand: overview, tasks, notifications, audit trail."""

from __future__ import annotations

from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"

    def ready(self) -> None:
        """Make known what moves on the pages, what follows a session, and how alerts leave."""
        from reporting import alarms, alert_sending, live, post_session  # noqa: F401  # register
        from reporting.figures import counting_task  # noqa: F401  # register
