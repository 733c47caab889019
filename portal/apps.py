"""The ground floor."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Make the workflows and the ticks known."""
        from portal import workflows  # noqa: F401  # registers
