"""Volumes: desktops, profiles and drives, thousands of them."""

from __future__ import annotations

from django.apps import AppConfig


class VolumesConfig(AppConfig):
    name = "volumes"

    def ready(self) -> None:
        """Make the workflows known, and what the clock starts."""
        from volumes import live, scheduler, workflows  # noqa: F401  # register
