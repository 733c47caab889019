"""What people can do on the ground floor: one transaction each, refused by `Refused`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from portal.refusals import Refused


@contextmanager
def refusing_duplicates(message: str, *, field: str = "name") -> Iterator[None]:
    """Turn a broken unique constraint into a refusal; the database decides, not a look before."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise Refused(message, field=field) from error
