"""Keys the embedded default makes for itself once and keeps in its data directory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


def kept_key(path: Path, required_in_environment: bool, *, fernet: bool = False) -> str:
    """Return the key kept at ``path``, making it (mode 0600) on first use.

    Raises ImproperlyConfigured where the environment had to give the key: a key
    that silently differs between two hosts would lock both out of their data.
    """
    if required_in_environment:
        name = "SECRETS_KEYS" if fernet else "SECRET_KEY"
        raise ImproperlyConfigured(f"{name} must be set when DATABASE_URL is.")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        value = Fernet.generate_key().decode() if fernet else secrets.token_urlsafe(64)
        # Written beside and linked, so that two processes starting together agree on one key.
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(value)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
