"""Disaster recovery: a second copy of everything, at a second site."""

from __future__ import annotations

from django.apps import AppConfig


class DisasterRecoveryConfig(AppConfig):
    name = "disaster_recovery"

    def ready(self) -> None:
        """Make the workflows known, and what follows a backup."""
        from disaster_recovery import (  # noqa: F401  # register
            configuration,
            daily,
            disabling,
            live,
            many,
            reconciliation,
            remote_sites,
            replication,
            settling,
            sites,
        )
