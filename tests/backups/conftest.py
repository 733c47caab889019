"""A lab for the workflows of this app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scene import Scene


@pytest.fixture(scope="session")
def lab_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lab's CA is kept: made once for all tests."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture
def scene_of(db: None, lab_directory: Path) -> Iterator[Callable[[str], Scene]]:
    """Build a server that is "on" or "off" at a lab of its own."""
    from portal.lab import Lab, LabServer  # tests of pages do without
    from tests.scene import build

    lab = Lab.empty()
    with LabServer(lab, directory=lab_directory) as server:
        yield lambda power: build(server, lab, power=power)


@pytest.fixture
def scene(scene_of: Callable[[str], Scene]) -> Scene:
    """A running server."""
    return scene_of("on")
