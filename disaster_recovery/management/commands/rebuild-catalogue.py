"""manage.py rebuild-catalogue: the same command under its other spelling."""

from __future__ import annotations

from disaster_recovery.management.commands.rebuild_catalogue import Command

__all__ = ["Command"]
