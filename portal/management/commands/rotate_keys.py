"""manage.py rotate_keys: write every stored secret anew with the first key of SECRETS_KEYS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Model

from portal.second_factor import rewritten
from portal.secret_field import SecretField


class Command(BaseCommand):
    help = "Encrypt every stored secret anew with the first key of SECRETS_KEYS."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Put the new key first, run this, then drop the old key."""
        counts = []
        try:
            for model, names in _with_secrets():
                rows = model._default_manager.select_for_update()
                for row in rows:
                    row.save(update_fields=names)
                counts.append(f"{len(rows)} {model._meta.verbose_name_plural}")
            counts.append(f"{_second_factors()} second factors")
        except ImproperlyConfigured as error:
            raise CommandError(f"{error} Nothing has been changed.") from error
        self.stdout.write(
            f"The secrets of {' and '.join(counts)} are encrypted with the first key."
        )


def _second_factors() -> int:
    """Those of allauth's, whose secrets are in its own table."""
    factors = Authenticator.objects.select_for_update().exclude(type=Authenticator.Type.WEBAUTHN)
    for factor in factors:
        factor.data = rewritten(factor.data)
        factor.save(update_fields=["data"])
    return len(factors)


def _with_secrets() -> Iterator[tuple[type[Model], list[str]]]:
    """Every model that keeps a secret, with the names of those fields."""
    for model in apps.get_models():
        names = [each.name for each in model._meta.fields if isinstance(each, SecretField)]
        if names:
            yield model, names
