"""`make audit`: what it makes of what pip-audit says, and that silence is no clean bill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portal.processes.audit import CLEAN, FOUND, NOT_ASKED, verdict

ROOT = Path(__file__).resolve().parents[2]
GOOD: dict[str, Any] = {"name": "django", "version": "5.2.9", "vulns": []}
BAD: dict[str, Any] = {
    "name": "urllib3", "version": "2.0.0",
    "vulns": [{"id": "PYSEC-2023-212", "fix_versions": ["2.0.7"], "description": "..."}],
}  # fmt: skip
SKIPPED: dict[str, Any] = {"name": "requests", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        ([GOOD], CLEAN, "1 packages, 0 known"),
        ([GOOD, BAD, SKIPPED], FOUND, "urllib3 2.0.0: PYSEC-2023-212, mended in 2.0.7"),
        ([GOOD, SKIPPED], NOT_ASKED, "nothing could be learned of 1 of them"),
    ],
)
def test_it_says_how_a_lock_stands(
    told: list[dict[str, Any]], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict("a.lock", told) == code
    assert said in capsys.readouterr().out


def test_what_cannot_be_asked_is_not_taken_for_clean(tmp_path: Path) -> None:
    """A lock without hashes is refused before anybody is asked."""
    lock = tmp_path / "requirements.lock"
    lock.write_text("django==5.2.9\n")
    command = [sys.executable, str(ROOT / "portal/processes/audit.py"), str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == NOT_ASKED
    assert "requirements.lock: not audited." in done.stdout
