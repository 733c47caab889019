"""The eleven types of data an account has: what their rows and columns are, and from when on.

Pages, files and the API all read through here, so that each shows the same.
"""

from __future__ import annotations

from reporting.records.columns import Column, Kind
from reporting.records.csv import csv_of
from reporting.records.datasets import DATA_SETS, DataSet
from reporting.records.periods import (
    Span,
    available_from,
    cutoff_of,
    is_kept,
    months_before,
    start_of,
)
from reporting.records.rows import Part, beyond, part_of, rows_of

__all__ = [
    "DATA_SETS",
    "Column",
    "DataSet",
    "Kind",
    "Part",
    "Span",
    "available_from",
    "beyond",
    "csv_of",
    "cutoff_of",
    "is_kept",
    "months_before",
    "part_of",
    "rows_of",
    "start_of",
]
