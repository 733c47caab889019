"""manage.py reconcile: compare records with what both sites hold, now; print what differs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from disaster_recovery.reconciliation import open_ones, reconcile
from portal.audit import Actor
from portal.engine.runner import Runner
from portal.models import Account, Task
from portal.refusals import Refused
from portal.uuids import as_uuid

# As long as a comparison of a large account may take.
PATIENCE = 3600


def accounts_of(given: str | None) -> list[Account]:
    """The account that was named, or all that have a cloud account. Raises CommandError."""
    accounts = Account.objects.exclude(cloud_account=None).order_by("name")
    if given is None:
        return list(accounts)
    pk = as_uuid(given)
    if pk is None or not (found := list(accounts.filter(pk=pk))):
        raise CommandError(f"There is no account {given}, or it has no cloud account.")
    return found


def compare(account: Account, *, with_young: bool = False) -> Task:
    """Compare one account here and now, beside whatever workers run. Raises CommandError."""
    try:
        actor = Actor(None, "Command line", "command line")
        task = reconcile(actor, account, with_young=with_young)
    except Refused as refusal:
        raise CommandError(str(refusal)) from refusal
    Runner().run(seconds=PATIENCE)
    task.refresh_from_db()
    if task.state != Task.State.DONE:
        raise CommandError(f"{account}: {task.error or task.get_state_display()} {task.advice}")
    return task


class Command(BaseCommand):
    help = "Compare records with what both sites hold. Nothing at a cloud is changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", metavar="UUID", help="one account; all without")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each thing that differs."""
        for account in accounts_of(options["account"]):
            compare(account)
            found = list(open_ones(account))
            self.stdout.write(f"{account}: {len(found)} open")
            for each in found:
                self.stdout.write(f"  {each.get_kind_display()}: {each.name} at {each.site}")
