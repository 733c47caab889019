"""The first moments of a fresh clone: a plain sentence where make cannot go on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with what make needs, and no Python."""
    for name in ("make", "sh", "sed", "awk"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    return str(tmp_path)


def make(target: str, path: str) -> subprocess.CompletedProcess[str]:
    make_ = str(Path(path) / "make")
    return subprocess.run(
        [make_, target],
        cwd=ROOT,
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_machine_without_python_3_11_is_told_so(bare_path: str) -> None:
    done = make("run", bare_path)
    assert done.returncode != 0
    assert done.stderr.startswith("Standby needs Python 3.11, and none was found on the PATH.")


def test_a_python_of_another_version_is_not_taken(bare_path: str) -> None:
    # Like any Python asked for its version, but that answers no.
    other = Path(bare_path) / "python3"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    assert "Standby needs Python 3.11" in make("test", bare_path).stderr


def test_help_lists_every_target(bare_path: str) -> None:
    said = make("help", bare_path).stdout
    for target in ("run", "test", "check", "bench", "reset", "help"):
        assert f"make {target} " in said
