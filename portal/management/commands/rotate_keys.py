"""manage.py rotate_keys: write every stored secret anew with the first key of SECRETS_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from portal.models import CloudAccount


class Command(BaseCommand):
    help = "Encrypt every stored secret anew with the first key of SECRETS_KEYS."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Put the new key first, run this, then drop the old key."""
        count = 0
        try:
            for cloud_account in CloudAccount.objects.select_for_update():
                cloud_account.save(update_fields=["secrets"])
                count += 1
        except ImproperlyConfigured as error:
            raise CommandError(f"{error} Nothing has been changed.") from error
        self.stdout.write(
            f"The secrets of {count} cloud accounts are encrypted with the first key."
        )
