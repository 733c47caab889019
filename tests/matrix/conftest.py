"""The everyday run takes a part of the matrix; STANDBY_MATRIX=all takes all of it.

Each file's tests are taken in the order of their names, every so many: of the first database
as many as here, of the second a quarter of those.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.matrix.strides import share_of

HERE = Path(__file__).parent
# Of how many tests of a file one is taken.
SHARES = {
    "test_faults.py": 3,
    "test_volume_crashes.py": 2,
    "test_recovery_crashes.py": 3,
    "test_recovery_faults.py": 2,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    by_file: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.path.parent == HERE:
            by_file[item.path.name].append(item)
    left_out: set[str] = set()
    for name, tests in by_file.items():
        step = share_of(SHARES.get(name, 1))
        ordered = sorted(tests, key=lambda item: item.nodeid)
        left_out |= {item.nodeid for n, item in enumerate(ordered) if n % step}
    config.hook.pytest_deselected(items=[each for each in items if each.nodeid in left_out])
    items[:] = [each for each in items if each.nodeid not in left_out]
