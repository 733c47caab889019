"""manage.py rebuild_catalogue: make records of an account's backups and replicas from the marks.

Also to be had as rebuild-catalogue.

For the day on which the database is lost. Before it: register the cloud accounts, create the
account, synchronise the inventory, assign its servers, configure disaster recovery.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from disaster_recovery.management.commands.reconcile import accounts_of, compare
from disaster_recovery.models import Discrepancy
from disaster_recovery.reconciliation import open_ones
from disaster_recovery.settling import adopt, take_over_ids
from portal.audit import Actor
from portal.refusals import Refused


class Command(BaseCommand):
    help = "Make records of backups and replicas from what both sites hold. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", metavar="UUID", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Adopt all that belongs to a resource of the account; say what does not, and why."""
        (account,) = accounts_of(options["account"])
        compare(account, with_young=True)
        if renamed := take_over_ids(account):
            self.stdout.write(f"{account}: former ids given back to {renamed} of its resources.")
        actor = Actor(None, "Command line", "command line")
        adopted = {Discrepancy.Kind.COPY: 0, Discrepancy.Kind.REPLICA: 0}
        # Backups first: a replica joins the one it is of.
        for found in open_ones(account).filter(kind__in=adopted).order_by("kind", "made_at"):
            try:
                adopt(actor, found)
                adopted[Discrepancy.Kind(found.kind)] += 1
            except Refused as refusal:
                self.stderr.write(f"{found.name} at {found.site}: {refusal}")
        backups, replicas = adopted.values()
        self.stdout.write(f"{account}: recorded {backups} of backups, {replicas} of replicas.")
