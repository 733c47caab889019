"""What becomes of backups when a machine is no longer assigned, or a volume is gone."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from backups.models import Backup, Replica
from portal.adoption import keeps_volumes
from portal.models import Resource
from portal.refusals import Refused
from portal.services.machines import before_removal


@before_removal
def let_go_of_backups(resource: Resource) -> None:
    """Refuse while anything is listed; rows of what is gone for good go with the machine."""
    backups = Backup.objects.filter(resource=resource)
    if count := backups.listed().count():
        raise Refused(
            f"{resource} has {count} backup{'s' if count > 1 else ''}. Delete them first; "
            "nobody could restore them afterwards."
        )
    Replica.objects.filter(backup__in=backups).delete()
    backups.delete()


@keeps_volumes
def with_backups(volumes: QuerySet[Resource]) -> QuerySet[Resource]:
    """Volumes that were ever backed up, or should have been: their records stay."""
    return volumes.filter(Exists(Backup.objects.filter(resource=OuterRef("pk"))))
