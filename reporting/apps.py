"""What happened and how things stand: overview, tasks, notifications, audit trail."""

from __future__ import annotations

from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"

    def ready(self) -> None:
        from reporting import alarms, alert_sending, live, post_session  # noqa: F401  # register
        from reporting.figures import capacity, counting_task, disks  # noqa: F401  # register
        from reporting.purge import workflow as purge  # noqa: F401  # register
        from reporting.termination import workflow as termination  # noqa: F401  # register
