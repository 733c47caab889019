"""What guests do when they are told to run sysprep, the same in every emulated cloud."""

from __future__ import annotations

from dataclasses import dataclass

# Stands behind what the disk held once sysprep has ended.
GENERALIZED = "+generalized"


@dataclass
class Guests:
    """What the guests of all machines do.

    ``agent``: "ready" after a while, or "never". ``sysprep``: "ends" by shutting down, "fails"
    at once with ``detail``, or "hangs".
    """

    agent: str = "ready"
    sysprep: str = "ends"
    detail: str = "SYSPRP Package Contoso.Notes was installed for a user."
