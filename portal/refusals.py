"""What a service says when it will not do a thing; the page shows it beside the form."""

from __future__ import annotations


class Refused(Exception):
    """A service refuses. ``str()`` is a sentence for the person.

    ``field`` names the form field it is about, or "".
    Nothing has been changed when it is raised.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
