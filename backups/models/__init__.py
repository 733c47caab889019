"""Backups and the settings they are made by."""

from backups.models.backup import Backup, BackupQuerySet, IllegalTransition, note_latest
from backups.models.policy import (
    MOST_KEPT,
    BackupPolicy,
    Settings,
    VolumePolicy,
    settings_of,
)

__all__ = [
    "MOST_KEPT",
    "Backup",
    "BackupPolicy",
    "BackupQuerySet",
    "IllegalTransition",
    "Settings",
    "VolumePolicy",
    "note_latest",
    "settings_of",
]
