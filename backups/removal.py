"""What becomes of a machine's backups when it is no longer assigned."""

from __future__ import annotations

from backups.models import Backup
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
    backups.delete()
