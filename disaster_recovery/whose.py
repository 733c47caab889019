"""Whose a thing at a site is: an account's, another's, or of nobody that is known here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q

from backups.models import Replica
from portal.clouds.api import Mark, Marked
from portal.models import Account, Resource, Task
from portal.uuids import as_uuid


@dataclass
class Whose:
    """Which of the things at a site are the account's, or nobody's that is known here."""

    account: Account
    by_id: dict[str, Resource] = field(default_factory=dict)
    by_source: dict[str, Resource] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, account: Account) -> Whose:
        made = cls(account)
        for resource in Resource.objects.filter(account=account).iterator():
            made.by_id[str(resource.pk)] = resource
            made.by_source[resource.external_id.lower()] = resource
        others = Resource.objects.exclude(account=account)
        others = others.filter(cloud_account=account.cloud_account_id)
        for pk, source in others.values_list("pk", "external_id").iterator():
            made.strangers |= {str(pk), source.lower()}
        others_accounts = Account.objects.exclude(pk=account.pk).values_list("pk", flat=True)
        made.strangers |= {str(pk) for pk in others_accounts}
        return made

    def resource(self, mark: Mark) -> Resource | None:
        """The resource a thing is of, by the mark, or else by the machine it was made of."""
        found = self.by_id.get(mark.resource)
        return found or (self.by_source.get(mark.source.lower()) if mark.source else None)

    def keeps(self, thing: Marked) -> bool:
        """Whether it stays as long as a resource of the account's does, empty or not."""
        return thing.role == Marked.LASTING and thing.mark.resource in self.by_id

    def is_anothers(self, mark: Mark) -> bool:
        told = {mark.account, mark.resource, mark.source.lower()} - {""}
        return bool(told & self.strangers)


def being_sent() -> set[str]:
    """Copies on their way, and what a copy that is a machine travels in, called after it (AHV)."""
    sending = Task.objects.active().exclude(args__copy=None)
    copies = sending.values_list("args__copy", flat=True)
    ids = {each.lower() for each in copies if each}
    return ids | {each.replace("-", "") for each in ids if "/" not in each}


def of_others(account: Account, things: Iterable[Marked]) -> set[str]:
    """Ids of what is another account's, by records: a cluster's snapshots carry no mark.

    Accounts of other customers too, where a cluster is registered more than once.
    """
    by_name = {name: each.id for each in things for name in (each.id, *each.other_ids)}
    replicas = Replica.objects.not_removed().exclude(account=account)
    meant = replicas.filter(Q(sent_id__in=by_name) | Q(external_id__in=by_name))
    recorded = {name for row in meant.values_list("sent_id", "external_id") for name in row}
    told = {pk for each in things if (pk := as_uuid(each.mark.resource))}
    resources = Resource.objects.exclude(account=account).filter(pk__in=told)
    theirs = {str(pk) for pk in resources.values_list("pk", flat=True)}
    anothers = {each.id for each in things if each.mark.resource in theirs}
    return anothers | {by_name[name] for name in recorded & by_name.keys()}
