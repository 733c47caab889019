"""The forms of a page as a browser finds them: where each posts to, and what it would send."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

UNTYPED = {"hidden", "submit", "button", "checkbox", "radio", "image", "reset"}
Attributes = list[tuple[str, str | None]]


@dataclass
class PageForm:
    """One form that posts. ``typed`` are the names of fields in which a person writes."""

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)
    secret: set[str] = field(default_factory=set)

    def give(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)


class Page(HTMLParser):
    """What a browser makes of a page: its forms, its tags, its handlers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self._form: PageForm | None = None
        self._select = self._area = ""
        self._written = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.handlers |= {name for name in given if name.startswith("on")}
        if tag == "form":
            posts = given.get("method", "").lower() == "post"
            self._form = PageForm(given.get("action", "")) if posts else None
            if self._form:
                self.forms.append(self._form)
        elif self._form and (given.get("name") or tag == "option"):
            self._read(tag, given, self._form)

    def _read(self, tag: str, given: dict[str, str], form: PageForm) -> None:
        name = given.get("name", "")
        if tag == "input":
            self._read_input(name, given, form)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in form.values:
                form.values[self._select] = [given.get("value", "")]
        elif tag == "textarea":
            self._area, self._written = name, ""
            form.typed.add(name)
        elif tag == "button":
            form.give(name, given.get("value", ""))

    def _read_input(self, name: str, given: dict[str, str], form: PageForm) -> None:
        kind = given.get("type", "text").lower()
        if kind in {"checkbox", "radio"}:
            if "checked" in given or name not in form.values:
                form.values[name] = [given.get("value", "on")]
            return
        form.give(name, given.get("value", ""))
        if kind not in UNTYPED:
            form.typed.add(name)
        if kind == "password":
            form.secret.add(name)

    def handle_data(self, data: str) -> None:
        if self._area:
            self._written += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea" and self._area and self._form:
            self._form.give(self._area, self._written.removeprefix("\n").removeprefix("\r\n"))
            self._area = ""
