"""A model field whose value is encrypted at rest with rotatable keys.

Fails closed: a value that no key opens raises, it is never returned as it is.
`manage.py rotate_keys` writes every value anew with the first key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


class Secrets(dict[str, str]):
    """Secret values by name, with a repr that gives nothing away."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self))})"

    __str__ = __repr__


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def fernet() -> MultiFernet:
    """Return the cipher for settings.SECRETS_KEYS; the first key writes, all keys read."""
    return _fernet(tuple(settings.SECRETS_KEYS))


if TYPE_CHECKING:
    _Field = models.Field[Mapping[str, str], Secrets]
else:  # fields cannot be subscripted when the program runs
    _Field = models.Field


class SecretField(_Field):
    """Stores a `Secrets` mapping as one Fernet token. Cannot be searched by."""

    def get_internal_type(self) -> str:
        return "TextField"

    def get_prep_value(self, value: Any) -> str:
        return fernet().encrypt(json.dumps(dict(value or {})).encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Secrets:
        if value is None:  # a join over a nullable key found no row
            return Secrets()
        try:
            return Secrets(json.loads(fernet().decrypt(value.encode())))
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "A stored secret cannot be read: SECRETS_KEYS lacks the key it was written with."
            ) from error

    def to_python(self, value: Any) -> Secrets:
        return value if isinstance(value, Secrets) else Secrets(value or {})

    def get_lookup(self, lookup_name: str) -> Any:
        raise TypeError("secrets cannot be searched")

    def value_to_string(self, obj: models.Model) -> str:
        """Serialise without the secret: dumpdata must not carry it out."""
        return "{}"
