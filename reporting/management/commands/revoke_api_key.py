"""manage.py revoke_api_key: from now on the key is good for nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.audit import Actor
from portal.refusals import Refused
from portal.uuids import as_uuid
from reporting import api_keys
from reporting.models import ApiKey


class Command(BaseCommand):
    help = "Revoke an API key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("client_id", metavar="UUID")

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke it, or say why that cannot be."""
        pk = as_uuid(options["client_id"])
        key = ApiKey.objects.filter(pk=pk).first() if pk else None
        if key is None:
            raise CommandError(f"There is no key {options['client_id']}.")
        try:
            api_keys.revoke(Actor(None, "Command line", "command line"), key)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{key.name} is revoked.")
