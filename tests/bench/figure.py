"""One measured figure: a ratio of two measurements of the same run, and the ratio promised.

Ratios, not seconds: they hold on a slow machine too. What is promised in milliseconds says so in
its name.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """``rounds`` has what each round measured; their median has to meet the target.

    ``bound`` says on which side of it; a figure without a target is only printed.
    """

    name: str
    rounds: tuple[float, ...]
    target: float | None = None
    bound: Literal["at most", "at least"] = "at most"

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def is_met(self) -> bool:
        if self.target is None:
            return True
        if self.bound == "at most":
            return self.median <= self.target
        return self.median >= self.target

    @property
    def is_told(self) -> bool:
        """Whether the table at the end has it: ratios, and what is promised."""
        return self.target is not None or "÷" in self.name

    @property
    def promise(self) -> str:
        """The target and its side, in short."""
        sign = "<=" if self.bound == "at most" else ">="
        return "" if self.target is None else f"{sign} {self.target:g}"

    @property
    def spread(self) -> str:
        """Least, median and most; of one round, that one."""
        values = (min(self.rounds), self.median, max(self.rounds))
        return " / ".join(map(_short, values)) if len(self.rounds) > 1 else _short(self.median)

    @property
    def verdict(self) -> str:
        return "" if self.target is None else "ok" if self.is_met else "MISS"

    def __str__(self) -> str:
        told = f"{self.name:<52} {self.spread:>24}  {self.promise:<9} {self.verdict}"
        return told.rstrip()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Figure:
        return cls(**kept | {"rounds": tuple(kept["rounds"])})


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.2f}"
