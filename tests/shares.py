"""Which tests the everyday run takes of those that are many of a kind; the others take turns.

Tests of a file are counted in the order of their names, and every so many is taken. What is
proven by them is the wire's business more than the database's: on the second database a part
of those of the first. STANDBY_MATRIX=all takes all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.matrix.strides import is_first, is_whole

ROOT = Path(__file__).parent
# Of how many tests of a file one is taken: on the first database, and on the second.
SHARES = {
    "matrix/test_crashes.py": (2, 8),
    "matrix/test_faults.py": (6, 48),
    "matrix/test_volume_crashes.py": (4, 12),
    "matrix/test_volume_faults.py": (2, 16),
    "matrix/test_recovery_crashes.py": (6, 24),
    "matrix/test_recovery_faults.py": (3, 24),
    # Each address for two or three of eight people.
    "test_access_walk.py": (1, 3),
    "portal/test_publish_retention.py": (1, 3),
    "backups/test_two_weeks.py": (1, 2),
    "disaster_recovery/test_replication.py": (1, 3),
    "disaster_recovery/test_reconciliation.py": (1, 3),
    "disaster_recovery/test_recovery_settings.py": (1, 3),
    "reporting/test_post_session.py": (1, 3),
    "volumes/test_volume_workflows.py": (1, 3),
}


def left_out(items: Sequence[pytest.Item]) -> set[str]:
    """Return the ids of the tests that are not taken now."""
    if is_whole():
        return set()
    by_file: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if item.path.is_relative_to(ROOT):
            by_file[item.path.relative_to(ROOT).as_posix()].append(item.nodeid)
    found: set[str] = set()
    for name, ids in by_file.items():
        step = SHARES.get(name, (1, 1))[0 if is_first() else 1]
        found |= {id_ for n, id_ in enumerate(sorted(ids)) if n % step}
    return found
