"""What a page costs: its queries, its bytes and requests as a browser sees them at first load."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag

from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

ACCEPTED = {"Accept-Encoding": "gzip, deflate, br"}


@dataclass(frozen=True)
class Cost:
    """Bytes are compressed, of the page and of all it loads; so are the requests."""

    is_page: bool
    queries: int
    document_bytes: int
    bytes: int
    requests: int


@dataclass
class Asset:
    """A file a page loads, as it was answered."""

    bytes: int
    headers: dict[str, str]


class Loaded(HTMLParser):
    """Addresses a browser asks for when it shows a page, in order, each as often as it is named.

    The sheet of icons is named by each icon and asked for once.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = {"link": "href", "script": "src", "img": "src", "use": "href"}.get(tag)
        address = urldefrag(given.get(name) or "").url if name else ""
        if address and (tag != "use" or address not in self.addresses):
            self.addresses.append(address)


@dataclass
class Visitor:
    """A signed-in browser with nothing in its cache."""

    client: Client
    assets: dict[str, Asset] = field(default_factory=dict)

    def cost_of(self, path: str) -> Cost:
        """Ask for a page, and for all it loads."""
        with CaptureQueriesContext(connection) as queries:
            answer = self.client.get(path, headers=ACCEPTED)
        asked = len(queries)  # the next request begins a new list
        if not is_page(answer):
            return Cost(False, asked, len(answer.getvalue()), 0, 1)
        document = len(answer.content)
        named = Loaded(text_of(answer)).addresses
        assert len(set(named)) == len(named), f"{path} loads twice: {named}"
        loaded = sum(self._asset(address).bytes for address in named)
        return Cost(True, asked, document, document + loaded, 1 + len(named))

    def _asset(self, address: str) -> Asset:
        if address not in self.assets:
            answer = self.client.get(address, headers=ACCEPTED)
            assert answer.status_code == 200, f"{address}: {answer.status_code}"
            sent = len(answer.getvalue())
            self.assets[address] = Asset(sent, dict(answer.headers))
        return self.assets[address]


def is_page(answer: HttpResponseBase) -> bool:
    """Whether it is shown as a page, and not a file, a refusal or the way to another page."""
    is_html = answer.get("Content-Type", "").startswith("text/html")
    return answer.status_code == 200 and is_html and "Content-Disposition" not in answer


def text_of(answer: HttpResponseBase) -> str:
    """The page, whatever it was compressed with."""
    if answer.get("Content-Encoding") == "gzip":
        return gzip.decompress(answer.getvalue()).decode()
    return answer.getvalue().decode()
