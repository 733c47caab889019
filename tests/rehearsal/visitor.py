"""People at their browsers: sign in through the proxy, then go on reading pages until told to end.

``python -m tests.rehearsal.visitor ADDRESS CA-FILE EMAIL PASSWORD PATH`` says ``ready`` when
signed in; a line on its input ends it. Then it prints what it saw, as JSON. At most so many
requests a second, for so long at most.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from collections import Counter
from typing import Any

import requests

NAME = "standby.example.org"
THREADS = 3
PAUSE_SECONDS = 0.1
MOST_SECONDS = 900
FORGED = {"X-Forwarded-For": "203.0.113.66", "X-Forwarded-Proto": "http", "X-Real-IP": "6.6.6.6"}


def _lead(address: str) -> None:
    """Have the portal's name stand for its address, in this program."""
    former = socket.getaddrinfo

    def find(host: Any, *more: Any, **options: Any) -> Any:
        return former(address if host == NAME else host, *more, **options)

    socket.getaddrinfo = find


class Visitor:
    """One signed-in person; several threads read with the same cookies."""

    def __init__(self, ca: str) -> None:
        self.http = requests.Session()
        self.http.verify, self.http.trust_env = ca, False
        self.http.headers.update(FORGED)
        self.answers: Counter[str] = Counter()
        # What the pages that said that it cannot be done now were called.
        self.titles: Counter[str] = Counter()
        self.slowest = 0.0
        self.end = threading.Event()

    def sign_in(self, email: str, password: str) -> dict[str, Any]:
        plain = self.http.get(f"http://{NAME}/", allow_redirects=False, timeout=90)
        page = self.http.get(f"https://{NAME}/sign-in/login/", timeout=90)
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[0]
        form = {"csrfmiddlewaretoken": token, "login": email, "password": password}
        answer = self.http.post(
            page.url, form, headers={"Referer": page.url}, allow_redirects=False, timeout=90
        )
        return {
            "plain": [plain.status_code, plain.headers.get("Location", "")],
            "hsts": page.headers.get("Strict-Transport-Security", ""),
            "server": page.headers.get("Server", ""),
            "signed_in": answer.status_code,
            "cookies": {each.name: each.secure for each in self.http.cookies},
            "readyz": self.http.get(f"https://{NAME}/readyz", timeout=90).status_code,
        }

    def read(self, path: str) -> None:
        """Ask again and again. Nothing is asked twice: what fails is counted."""
        http = requests.Session()
        http.verify, http.trust_env = self.http.verify, False
        http.cookies.update(self.http.cookies)
        until = time.monotonic() + MOST_SECONDS
        while not self.end.wait(PAUSE_SECONDS) and time.monotonic() < until:
            begun = time.monotonic()
            try:
                answer = http.get(f"https://{NAME}{path}", allow_redirects=False, timeout=60)
                self.answers[str(answer.status_code)] += 1
                if answer.status_code == 503:
                    self.titles[re.findall(r"<title>(.*?)</title>", answer.text, re.S)[0]] += 1
            except requests.RequestException as error:
                self.answers[type(error).__name__] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)


def main(address: str, ca: str, email: str, password: str, path: str) -> None:
    """Sign in, read, say what was seen."""
    _lead(address)
    visitor = Visitor(ca)
    print(json.dumps(visitor.sign_in(email, password)), flush=True)
    threads = [threading.Thread(target=visitor.read, args=(path,)) for _ in range(THREADS)]
    for each in threads:
        each.start()
    sys.stdin.readline()
    visitor.end.set()
    for each in threads:
        each.join()
    saw = {"answers": visitor.answers, "titles": visitor.titles, "slowest": visitor.slowest}
    print(json.dumps(saw), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
