"""The table at the end: every figure of every module, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.bench.figure import Figure

HEAD = "least / median / most"


def table(measured: Mapping[str, Sequence[Figure]]) -> Iterator[str]:
    """Lines of it; ``measured`` has the figures by the database they were measured on.

    A line has a verdict for each database, by the median; figures with rounds of their own
    number say of how many they are.
    """
    by_name = {
        database: {each.name: each for each in figures if each.is_told}
        for database, figures in measured.items()
    }
    names = list(dict.fromkeys(name for figures in by_name.values() for name in figures))
    rows = [["figure", "target", *(f"{database}: {HEAD}" for database in by_name), "verdict"]]
    rows += [_row(name, [figures.get(name) for figures in by_name.values()]) for name in names]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _row(name: str, figures: Sequence[Figure | None]) -> list[str]:
    promises = dict.fromkeys(each.promise for each in figures if each and each.promise)
    verdicts = [each.verdict if each else "" for each in figures]
    verdict = "MISS" if "MISS" in verdicts else next(filter(None, verdicts), "")
    if "ok" in verdicts and "MISS" in verdicts:
        verdict = " / ".join(verdicts)
    return [name, " / ".join(promises), *map(_cell, figures), verdict]


def _cell(figure: Figure | None) -> str:
    """What was measured, and in how many rounds."""
    if figure is None:
        return "-"
    count = len(figure.rounds)
    return f"{figure.spread} ({count} round{'' if count == 1 else 's'})"
