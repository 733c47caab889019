"""What happened and how things stand: overview, tasks, notifications, audit trail."""

from __future__ import annotations

from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"

    def ready(self) -> None:
        """Make known what moves on the pages."""
        from reporting import live  # noqa: F401  # registers
