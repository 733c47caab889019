"""The line by which the desktop platform says what a machine or volume is, and whose.

``frame: kind=persistent-desktop user=sofia.lindqvist@meridian.example account=<our id>``, in the
description at a cluster; at Azure the driver makes it of tags. ``account`` is there where the
accounts of several customers' desktops share a cloud account.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from portal.models import Resource

Kind = Resource.Kind
KINDS = {
    "persistent-desktop": Kind.PERSISTENT_DESKTOP,
    "enterprise-profile": Kind.ENTERPRISE_PROFILE,
    "personal-drive": Kind.PERSONAL_DRIVE,
}
LONGEST_USER = 150
_LINE = re.compile(r"^\s*frame:(.*)$", re.MULTILINE)
_PAIR = re.compile(r"(\w+)=(\S*)")


class Said(NamedTuple):
    """What the line says; "" is what it does not."""

    kind: str
    user_name: str = ""
    account: str = ""


def said_in(description: str) -> Said | None:
    """Return what the platform says of a persistent thing, or None: it is none."""
    line = _LINE.search(description)
    pairs = dict(_PAIR.findall(line[1])) if line else {}
    kind = KINDS.get(pairs.get("kind", "").lower())
    if kind is None:
        return None
    return Said(kind, pairs.get("user", "")[:LONGEST_USER], pairs.get("account", "").lower())
