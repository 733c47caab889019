"""The command line of a deployment that is not whole yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment import production

ROOT = Path(__file__).resolve().parents[2]


def manage(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRETS_KEYS"])
def test_a_missing_setting_is_one_sentence(name: str, tmp_path: Path) -> None:
    environment = production(str(tmp_path))
    del environment[name]
    done = manage(environment, "migrate")
    assert done.returncode == 1
    wanted = f"Standby is not configured: {name} must be set when DATABASE_URL is.\n"
    assert done.stderr == wanted


def test_the_doctor_tells_of_a_database_that_does_not_answer(tmp_path: Path) -> None:
    done = manage(production(str(tmp_path)), "doctor")
    assert done.returncode == 1
    assert "BAD  The database does not answer.\n     " in done.stdout
    assert "manage.py collectstatic" in done.stdout
    assert not done.stderr
