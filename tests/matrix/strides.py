"""How much of the matrix the everyday run takes; STANDBY_MATRIX=all takes all of it.

What a fault does is the wire's business, not the database's: the second database gets a
quarter of what the first does.
"""

from __future__ import annotations

import os

from django.conf import settings


def strides(**everyday: int) -> dict[str, int]:
    """Return by kind of cloud every how many calls something is tried."""
    if os.environ.get("STANDBY_MATRIX") == "all":
        return dict.fromkeys(everyday, 1)
    is_first = "sqlite" in settings.DATABASES["default"]["ENGINE"]
    return {kind: stride * (1 if is_first else 4) for kind, stride in everyday.items()}
