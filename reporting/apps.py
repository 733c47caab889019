"""What happened and how things stand: overview, tasks, notifications, audit trail."""

from __future__ import annotations

from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"

    def ready(self) -> None:
        """Make known what moves on the pages, and what follows a session."""
        from reporting import live, post_session  # noqa: F401  # register
        from reporting.purge import workflow as purge  # noqa: F401  # register
        from reporting.termination import workflow as termination  # noqa: F401  # register
