"""What README points at is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tour.__main__ import STOPS

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_every_file_that_a_text_points_at_is_there() -> None:
    texts = [path for path in ROOT.rglob("*.md") if not {".venv", "var"} & set(path.parts)]
    linked = [(path, to) for path in texts for to in LINK.findall(path.read_text())]
    assert linked
    assert [(path.name, to) for path, to in linked if not (path.parent / to).exists()] == []


def test_the_tour_shows_each_of_its_pictures() -> None:
    shown = LINK.findall((ROOT / "README.md").read_text())
    assert {to for to in shown if to.endswith(".png")} == {
        f"tests/tour/{stop.name}.png" for stop in STOPS
    }
