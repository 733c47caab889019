"""What moves on a page, asked for in one request.

A part that moves says so: ``data-live="kind:argument"``. The page's one poll
(``portal/_poll.html``) names the parts that can be seen, and each app draws its own kinds.
The answer carries them out of band, and the next poll; when nothing moves there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from portal.access import Request

# A page shows fewer; whoever asks for more gets the first of them.
PART_LIMIT = 150


@dataclass(frozen=True)
class Moved:
    """Parts of one kind: their markup, each with ``hx-swap-oob``, and what the page is told.

    ``moves`` while any of them may change again; ``events`` are triggered on the page.
    """

    html: SafeString
    moves: bool = False
    events: tuple[str, ...] = ()


Draw = Callable[[Request, list[str]], Moved]


@dataclass(frozen=True)
class Kind:
    """How parts of a kind are drawn; whether only on pages that have an account."""

    draw: Draw
    of_account: bool


KINDS: dict[str, Kind] = {}


def draws(name: str, *, of_account: bool = True) -> Callable[[Draw], Draw]:
    """Make a kind of part known. The function is given the arguments of all parts of the kind.

    It must start from what the person may see: arguments are what a browser sent.
    """

    def decorate(draw: Draw) -> Draw:
        KINDS[name] = Kind(draw, of_account)
        return draw

    return decorate


def answer(request: Request) -> HttpResponse:
    """Answer the poll of a page: the parts it named, and whether it need ask again."""
    moved = [KINDS[name].draw(request, arguments) for name, arguments in _wanted(request).items()]
    context = {
        "parts": [part.html for part in moved],
        "is_moving": any(part.moves for part in moved),
        "poll_seconds": 2 if moved else 5,
    }
    response = render(request, "portal/_live.html", context)
    if events := [event for part in moved for event in part.events]:
        response["HX-Trigger"] = ", ".join(dict.fromkeys(events))
    return response


def _wanted(request: Request) -> dict[str, list[str]]:
    """Arguments by kind; what is not known, or needs an account on a page without, is left out."""
    has_account = hasattr(request, "account")
    wanted: dict[str, list[str]] = {}
    for part in request.GET.getlist("part")[:PART_LIMIT]:
        name, _, argument = part.partition(":")
        kind = KINDS.get(name)
        if kind and (has_account or not kind.of_account):
            wanted.setdefault(name, []).append(argument)
    return wanted
