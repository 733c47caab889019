"""manage.py fill_account: ten thousand volumes and a million backups, to see how pages bear it."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.models import Account
from portal.uuids import as_uuid
from volumes import filling


class Command(BaseCommand):
    help = "Fill an account with volumes and backups that are at no cloud, to see it at scale."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", help="id or name of an account that has a cloud account")
        parser.add_argument("--volumes", type=_count, default=10_000)
        parser.add_argument("--backups", type=_count, default=1_000_000)
        parser.add_argument("--remove", action="store_true", help="take all of it away again")
        parser.add_argument("--yes", action="store_true", help="really, outside of the demo")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEMO or options["yes"]):
            raise CommandError("This is for a demo (STANDBY_DEMO=1). Say --yes to do it here.")
        account = _find(options["account"])
        began = time.monotonic()

        def say(text: str) -> None:
            self.stdout.write(f"{time.monotonic() - began:6.1f} s  {text}")

        if options["remove"]:
            filling.remove(account, say)
        else:
            filling.fill(account, options["volumes"], options["backups"], say)
        say("Done.")


def _count(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 0:
        raise ValueError
    return number


def _find(given: str) -> Account:
    key: UUID | None = as_uuid(given)
    accounts = Account.objects.filter(pk=key) if key else Account.objects.filter(name=given)
    found = list(accounts[:2])
    if len(found) != 1:
        what = "No account has" if not found else "Several accounts have"
        raise CommandError(f"{what} the id or name “{given}”.")
    if found[0].cloud_account is None:
        raise CommandError(f"{found[0]} has no cloud account to put volumes at.")
    return found[0]
