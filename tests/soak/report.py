"""The figures of a run as one table, and each check with what it found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_SHOWN = 12


@dataclass
class Check:
    """One thing that has to hold; ``found`` are what it does not hold for."""

    name: str
    looked_at: int
    found: list[str] = field(default_factory=list)

    @property
    def is_met(self) -> bool:
        return not self.found


def table(title: str, rows: Iterable[tuple[str, object]]) -> None:
    """Print rows of a name and a value."""
    print(f"\n{title}")
    for name, value in rows:
        print(f"  {name:<44} {value}")


def checks(done: list[Check]) -> bool:
    """Print each check; return whether all are met."""
    print("\nChecks")
    for check in done:
        print(f"  {'ok  ' if check.is_met else 'FAIL'}  {check.name} ({check.looked_at} looked at)")
        for each in check.found[:MOST_SHOWN]:
            print(f"          {each}")
        if len(check.found) > MOST_SHOWN:
            print(f"          ... and {len(check.found) - MOST_SHOWN} more")
    return all(check.is_met for check in done)
