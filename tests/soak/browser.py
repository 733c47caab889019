"""A browser without script: pages, links and forms, with cookies and the CSRF field as served."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

from tests.soak.traffic import Traffic


@dataclass
class Form:
    """A form as it was served; ``fields`` are what would be sent, without buttons."""

    method: str
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    # Of boxes that are not ticked, by name.
    boxes: dict[str, list[str]] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return any(name == each for each, _ in self.fields)

    def put(self, name: str, value: str) -> None:
        """Fill a field in, or add one: a button that is pressed, a box that is ticked."""
        self.fields = [pair for pair in self.fields if pair[0] != name] + [(name, value)]


@dataclass
class Page:
    """What was answered, after redirects."""

    status: int
    url: str
    text: str

    def links(self, pattern: str) -> list[str]:
        """Addresses on it that a pattern is found in, each once, in order."""
        found = re.findall(r'(?:href|action|data-hx-get)="([^"#]+)"', self.text)
        wanted = (each.replace("&amp;", "&") for each in found if re.search(pattern, each))
        return list(dict.fromkeys(wanted))

    def forms(self) -> list[Form]:
        parser = _Forms()
        parser.feed(self.text)
        return parser.found

    def dialog(self) -> Form | None:
        """The form of the dialog that is open, or of a page that is a form."""
        posts = [form for form in self.forms() if form.method == "post" and form.has(CSRF)]
        here = [form for form in posts if self.url.endswith(form.action) and form.action]
        return here[0] if here else None


CSRF = "csrfmiddlewaretoken"


class _Forms(HTMLParser):
    """Collects forms. A field whose choice is open has what is chosen, as a browser sends it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._form: Form | None = None
        self._select = self._area = ""
        self._first: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self._form = Form(given.get("method", "get").lower(), given.get("action", ""))
            self.found.append(self._form)
        elif self._form is not None and "disabled" not in given:
            self._field(tag, given, {key for key, _ in attrs})

    def _field(self, tag: str, given: dict[str, str], present: set[str]) -> None:
        assert self._form is not None
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "input" and name:
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio"):
                value = given.get("value", "on")
                if "checked" in present:
                    self._form.fields.append((name, value))
                else:
                    self._form.boxes.setdefault(name, []).append(value)
            elif kind not in ("submit", "button", "file", "reset"):
                self._form.fields.append((name, value))
        elif tag == "select":
            self._select, self._first = name, None
        elif tag == "option" and self._select:
            if self._first is None:
                self._first = value
            if "selected" in present:
                self._first = value
        elif tag == "textarea":
            self._area, self._text = name, []

    def handle_data(self, data: str) -> None:
        if self._area:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._form is None:
            return
        if tag == "form":
            self._form = None
        elif tag == "select" and self._select:
            if self._first is not None:
                self._form.fields.append((self._select, self._first))
            self._select = ""
        elif tag == "textarea" and self._area:
            self._form.fields.append((self._area, "".join(self._text).removeprefix("\n")))
            self._area = ""


class Browser:
    """One person's browser. Every request is counted and paced by the traffic it belongs to."""

    def __init__(self, base: str, traffic: Traffic) -> None:
        self._base, self._traffic = base, traffic
        self._http = requests.Session()
        self._http.trust_env = False

    def get(self, address: str) -> Page:
        return self._send("GET", address, [])

    def submit(self, form: Form, page: Page) -> Page:
        address = urljoin(page.url, form.action) if form.action else page.url
        return self._send(form.method.upper(), address, form.fields)

    def _send(self, method: str, address: str, fields: list[tuple[str, str]]) -> Page:
        url = urljoin(self._base, address)
        more = {"data": fields} if method == "POST" else {"params": fields}
        # Django asks where a form came from when the page was sent by TLS alone.
        answer = self._traffic.send(self._http, method, url, **more)
        return Page(answer.status_code, answer.url, answer.text)
