"""What people send who mean no good, and what no answer to it may be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.page_forms import Page

# How many examples a property takes, and whether every value goes into every field: with
# STANDBY_HOSTILE=500, not in the everyday run, in which each field gets one of the values.
EXAMPLES = int(os.environ.get("STANDBY_HOSTILE", "12"))
IS_WHOLE = "STANDBY_HOSTILE" in os.environ
TAG = "zqx"
# Breaks out of an attribute, a text, a text area, a title, a comment and a script.
BREAKOUT = f"\"'></textarea></title></script>--><{TAG} onzqx=1>"
TEMPLATE = "{{ 7|add:7 }}{% debug %}${7*7}%(name)s%s{0.__class__}"

VALUES = (
    BREAKOUT,
    "nul\x00 inside\r\nX-Injected: yes\x1b[2J\u202e",
    "'; DROP TABLE portal_user; --%_\\' OR 1=1",
    "9" * 400,
    "-1e400",
    "é" * 3000 + "\U0001f4a9",
    TEMPLATE,
    "../../../../etc/passwd",
    '=HYPERLINK("https://evil.example")',
    "٣\u2028\ufeff\ufffe",
)

# Turns of the values: in each, every field gets another one.
TURNS = range(len(VALUES) if IS_WHOLE else 1)


def dealt(names: Iterable[str], turn: int) -> dict[str, str]:
    """A value for each name; in another turn another one."""
    return {
        name: VALUES[(3 * turn + number) % len(VALUES)] for number, name in enumerate(sorted(names))
    }


text = st.one_of(st.sampled_from(VALUES), st.text(max_size=300), st.integers().map(str))
bounded = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def assert_harmless(answer: Any, said: str) -> None:
    """No failure, no header of theirs, and not one tag or handler of theirs on a page."""
    is_health = "/readyz" in answer.request["PATH_INFO"]
    assert answer.status_code < 500 or is_health, (answer.status_code, said)
    assert "X-Injected" not in answer.headers, said
    if answer.streaming or not answer.headers.get("Content-Type", "").startswith("text/html"):
        return
    page = Page(answer.text)
    assert TAG not in page.tags, said
    assert not page.handlers, (page.handlers, said)
