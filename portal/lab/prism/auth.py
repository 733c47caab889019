"""Who may call: Basic, session cookies, and the lock-out after bad passwords (reference 1.2)."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field

from portal.lab.clock import SECOND

COOKIE = "JSESSIONID"
IDLE_USECS = 15 * 60 * SECOND
LOCK_USECS = 15 * 60 * SECOND
MAX_BAD_PASSWORDS = 5

USER, PASSWORD = "admin", "lab-password"


@dataclass
class Sessions:
    """The sessions of one cluster and its one user. Forgotten when the lab restarts."""

    last_used: dict[str, int] = field(default_factory=dict)
    bad_passwords: int = 0
    locked_until: int = 0

    def admit(self, cookie: str | None, authorization: str | None, now: int) -> str | None:
        """Return None for a good session, the cookie to set for a good password.

        Raises `PermissionError` for everything else, and for a good password of a user
        who is locked out.
        """
        if cookie and self._is_alive(cookie, now):
            self.last_used[cookie] = now
            return None
        if authorization is None:
            raise PermissionError
        if now < self.locked_until:
            raise PermissionError
        if _credentials(authorization) != (USER, PASSWORD):
            self._count_bad(now)
            raise PermissionError
        self.bad_passwords = 0
        token = secrets.token_hex(16)
        self.last_used[token] = now
        return token

    def _is_alive(self, cookie: str, now: int) -> bool:
        used = self.last_used.get(cookie)
        if used is not None and now - used > IDLE_USECS:
            del self.last_used[cookie]
            return False
        return used is not None

    def _count_bad(self, now: int) -> None:
        self.bad_passwords += 1
        if self.bad_passwords >= MAX_BAD_PASSWORDS:
            self.bad_passwords = 0
            self.locked_until = now + LOCK_USECS

    def expire(self, cookie: str | None) -> None:
        """End this session."""
        self.last_used.pop(cookie or "", None)


def _credentials(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
