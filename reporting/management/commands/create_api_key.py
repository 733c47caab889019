"""manage.py create_api_key: let a program call the API; its secret is printed this once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.audit import Actor
from portal.models import Account, Customer, Organization
from portal.uuids import as_uuid
from reporting import api_keys
from reporting.models import ApiKey

SCOPES: dict[str, type[Customer] | type[Organization] | type[Account]] = {
    "customer": Customer,
    "organization": Organization,
    "account": Account,
}


class Command(BaseCommand):
    help = "Make an API key for one customer, organization or account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        scope = parser.add_mutually_exclusive_group(required=True)
        for name in SCOPES:
            scope.add_argument(f"--{name}", metavar="UUID")
        parser.add_argument("--name", required=True, help="what it is for")
        parser.add_argument("--role", required=True, choices=[role for role, _ in ApiKey.ROLES])
        parser.add_argument(
            "--signed", action="store_true", help="for signed requests, not as a bearer token"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the client id and the secret."""
        kind = next(name for name in SCOPES if options[name])
        pk = as_uuid(options[kind])
        scope = SCOPES[kind].objects.filter(pk=pk).first() if pk else None
        if scope is None:
            raise CommandError(f"There is no {kind} {options[kind]}.")
        key, secret = api_keys.create(
            Actor(None, "Command line", "command line"),
            scope,
            name=options["name"],
            role=options["role"],
            manner=ApiKey.Manner.SIGNED if options["signed"] else ApiKey.Manner.BEARER,
        )
        what = "Client secret" if options["signed"] else "Bearer token"
        self.stdout.write(f"Client id: {key.pk}\n{what}: {secret}\nIt is shown this once.")
