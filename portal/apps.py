"""The ground floor."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        """Make the workflows and the ticks known, and hear of sign-ins."""
        from portal import sign_in_events, workflows  # noqa: F401  # registers
