"""manage.py after_restore: once, when the database was put back from an older copy."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from disaster_recovery.after_restore import settle
from disaster_recovery.management.commands.reconcile import accounts_of, compare
from disaster_recovery.reconciliation import MOST_ASKED, open_ones
from portal.audit import Actor
from portal.models import Account

NEXT = """
Now, before workers are started:
  adopt or delete what was found: Settings, "Disaster recovery", "Reconciliation", of each account;
  look through API keys, role grants, invitations and users: what was taken away since is back;
  have the broker report the sessions since again.
Then: systemctl start standby.target
"""


class Command(BaseCommand):
    help = "Settle a database that was put back from an older copy. Web and workers are stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--no-compare", action="store_true", help="ask no cloud; run manage.py reconcile later"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Settle, then compare each account with its sites. Exit code 1 if one does not answer."""
        settled = settle(Actor(None, "Command line", "command line"))
        self.stdout.write(
            f"{settled.tasks} tasks that were under way are ended, {settled.schedules} schedules "
            f"go on with their next run, {settled.sessions} sessions are signed out."
        )
        failed = []
        if not options["no_compare"]:
            for account in accounts_of(None):
                try:
                    self._compare(account)
                except CommandError as error:
                    failed.append(account.name)
                    self.stdout.write(str(error))
        self.stdout.write(NEXT)
        if failed:
            raise CommandError(
                f"Not compared: {', '.join(failed)}. Run manage.py reconcile when they answer."
            )

    def _compare(self, account: Account) -> None:
        """So often as there is more to ask for than one comparison asks."""
        while len(compare(account, with_young=True).memory["missing"]) >= MOST_ASKED:
            pass
        found = list(open_ones(account))
        self.stdout.write(f"{account}: {len(found)} open")
        for each in found:
            self.stdout.write(f"  {each.get_kind_display()}: {each.name} at {each.site}")
