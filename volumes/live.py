"""Parts of the Volumes page that move (`portal.live`): the cells of volumes under way."""

from __future__ import annotations

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from portal.access import Request
from portal.live import Moved, draws
from volumes.lists import rows_of, volumes_named


@draws("volume")
def volumes(request: Request, arguments: list[str]) -> Moved:
    """Last backup and state of volumes, by id: cells alone, so that no tick and no menu is lost."""
    rows = rows_of(volumes_named(request.account, arguments))
    cells = [(_swapped(cell),) for row in rows for cell in (row.last, row.state)]
    return Moved(format_html_join("", "{}", cells), any(row.task for row in rows))


def _swapped(cell: SafeString) -> SafeString:
    """The same element, marked to take the place of the one on the page; it begins with its id."""
    return SafeString(cell.replace(" id=", ' data-hx-swap-oob="true" id=', 1))
