"""Backups of Sandboxes and Utility Servers."""

from __future__ import annotations

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "backups"

    def ready(self) -> None:
        """Make the workflows known."""
        from backups import removal, workflows  # noqa: F401  # register
