"""How an account's volumes are protected, by what each was last told: counts of the overview."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from backups.models import Backup
from portal.access import Permission
from portal.models import Account, Resource
from portal.paging import capped_counts
from reporting.protection import Concern

Status = Backup.Status


@dataclass(frozen=True)
class VolumeCounts:
    """How many volumes stand where, as text: ``10,000+`` where nobody counts on."""

    ready: str
    failed: str
    missed: str
    creating: str
    none: str

    @property
    def are_there(self) -> bool:
        """Whether the account has any volume."""
        return any(each != "0" for each in vars(self).values())


def volume_counts_of(account: Account) -> VolumeCounts:
    """Count the volumes by the status of their latest backup, by one query."""
    # The kinds stand before the status in the index.
    volumes = account.resources.volumes().filter(kind__in=Resource.VOLUME_KINDS)
    statuses = (Status.READY, Status.FAILED, Status.MISSED, Status.CREATING)
    sets = {str(status): volumes.filter(last_backup_status=status) for status in statuses}
    return VolumeCounts(**capped_counts(sets | {"none": volumes.filter(last_backup_status="")}))


def volume_concerns_of(
    account: Account, counts: VolumeCounts, rights: frozenset[Permission]
) -> list[Concern]:
    """What needs a hand among the volumes: each a facet of their page, and backed up from here."""
    concerns = []
    if counts.failed != "0":
        title = f"The last backup of {_volumes(counts.failed)} failed"
        text = "Earlier backups are not affected."
        concerns.append(_concern(account, rights, "bad", title, text, "failed", "Retry failed"))
    if counts.missed != "0":
        title = f"The last backup of {_volumes(counts.missed)} was missed"
        text = "They were busy with another task for as long as the run waited."
        concerns.append(Concern("warn", title, text, _page(account), "View"))
    if counts.none != "0":
        is_one = counts.none == "1"
        title = f"{_volumes(counts.none)} {'is' if is_one else 'are'} not backed up"
        holds = "it holds" if is_one else "they hold"
        text = f"What {holds} cannot be brought back until there is a backup."
        concerns.append(_concern(account, rights, "warn", title, text, "none", "Backup"))
    return concerns


def _volumes(number: str) -> str:
    return f"{number} volume{'' if number == '1' else 's'}"


def _page(account: Account, **query: str) -> str:
    address = reverse("volumes:volume_list", args=[account.pk])
    return f"{address}?{urlencode(query)}" if query else address


def _concern(
    account: Account, rights: frozenset[Permission], tone: str, title: str, text: str,
    status: str, button: str,
) -> Concern:  # fmt: skip
    """One that is seen by a facet of the Volumes page, and mended by a backup of all of them."""
    page = _page(account, status=status)
    if Permission.PROTECT_VOLUMES not in rights:
        return Concern(tone, title, text, page, "View")
    dialog = reverse("volumes:volume_backup_create", args=[account.pk])
    query = urlencode({"all": "1", "status": status})
    return Concern(tone, title, text, page, "View", f"{dialog}?{query}", button)
