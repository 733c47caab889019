"""portal/SECURITY.md names only what there is, and leaves no item without an answer."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "portal" / "SECURITY.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| \d+\.\d+\.\d+", line)
]


def test_every_path_and_test_it_names_is_there() -> None:
    named = set(re.findall(r"`([\w./]+\.(?:py|md))(?:::(\w+))?`", TEXT))
    assert len(named) > 40
    for path, test in named:
        assert (ROOT / path).is_file(), path
        if test:
            assert f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"


def test_every_item_is_answered_once_and_what_counts_as_met_is_shown_or_said() -> None:
    items = [item for row in ROWS for item in row[0].split(", ")]
    assert len(items) == len(set(items))
    assert len(ROWS) > 200
    for number, asks, how, shown in ROWS:
        assert asks, number
        assert how, number
        assert shown == "-" or "`tests/" in shown, number
        if how.startswith(("not met", "does not apply")):
            assert len(how.partition(" ")[2]) > 5, number


def test_every_chapter_is_walked() -> None:
    chapters = {row[0].partition(".")[0] for row in ROWS}
    assert chapters == {str(number) for number in range(1, 15)}
