"""Backups and the settings they are made by."""

from backups.models.backup import Backup, BackupQuerySet, IllegalTransition, note_latest
from backups.models.policy import (
    MOST_KEPT,
    BackupPolicy,
    Settings,
    VolumePolicy,
    settings_of,
)
from backups.models.replica import Replica, note_replica_age, note_replication

__all__ = [
    "MOST_KEPT",
    "Backup",
    "BackupPolicy",
    "BackupQuerySet",
    "IllegalTransition",
    "Replica",
    "Settings",
    "VolumePolicy",
    "note_latest",
    "note_replica_age",
    "note_replication",
    "settings_of",
]
