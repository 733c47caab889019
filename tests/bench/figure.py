"""One measured figure: a ratio of two measurements of the same run, and the ratio promised.

Ratios, not seconds: they hold on a slow machine too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """``bound`` says on which side of the target the ratio has to lie; None is only printed."""

    name: str
    ratio: float
    target: float | None = None
    bound: Literal["at most", "at least"] = "at most"

    @property
    def is_met(self) -> bool:
        if self.target is None:
            return True
        if self.bound == "at most":
            return self.ratio <= self.target
        return self.ratio >= self.target

    def __str__(self) -> str:
        if self.target is None:
            return f"{self.name:<50} {self.ratio:>9.2f}"
        verdict = "ok" if self.is_met else "MISS"
        return f"{self.name:<50} {self.ratio:>9.2f}  {self.bound} {self.target:<7g} {verdict}"
