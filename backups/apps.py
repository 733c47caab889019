"""Backups of Sandboxes and Utility Servers."""

from __future__ import annotations

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "backups"

    def ready(self) -> None:
        """Make the workflows known, and what moves on the pages."""
        from backups import (  # noqa: F401  # register
            after_session,
            live,
            master_images,
            publish,
            removal,
            scheduler,
            volume_workflows,
            workflows,
        )
