"""Every address the product answers, out of its resolver."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

APPS = ("portal", "backups", "volumes", "disaster_recovery", "reporting")


@dataclass(frozen=True)
class Address:
    """One pattern: its name with the app's, the names of its arguments, its view."""

    name: str
    arguments: tuple[str, ...]
    view: Callable[..., Any]

    def __str__(self) -> str:
        return self.name

    @property
    def marks(self) -> list[str]:
        """Access marks of the view and of every function it wraps, one for each decorator."""
        found: list[str] = []
        view: Any = self.view
        while view is not None:
            own = view.__dict__.get("access_mark")
            # functools.wraps copies the mark outwards; it is one mark all the same.
            if own and (not found or found[-1] != own):
                found.append(own)
            view = view.__dict__.get("__wrapped__")
        return found

    @property
    def mark(self) -> str:
        return self.marks[0]


def _walk(
    patterns: list[URLPattern | URLResolver], app: str = "", path: str = ""
) -> Iterator[Address]:
    for pattern in patterns:
        full = path + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, pattern.app_name or app, full)
        else:
            arguments = tuple(re.findall(r"<(?:\w+:)?(\w+)>", full))
            yield Address(f"{app}:{pattern.name}", arguments, pattern.callback)


def ours() -> list[Address]:
    """Addresses of our own apps; the admin's and allauth's have expectations of their own."""
    found = _walk(get_resolver().url_patterns)
    return [address for address in found if address.name.partition(":")[0] in APPS]
