"""Every line of every log: what nothing in the run explains is a finding."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.soak.clock import Clock
from tests.soak.plan import LAB_BLOWS

DATABASE, WORKERS, WEB = (
    ("database",),
    ("kill_runner", "kill_cluster", "kill_supervisor"),
    ("kill_web",),
)
ALWAYS: tuple[str, ...] = ()
QUIET = ("debug", "info")


@dataclass(frozen=True)
class Expected:
    """A line whose text matches is explained by a disturbance of these kinds; none: by itself."""

    pattern: str
    kinds: tuple[str, ...] = ALWAYS


# What breaks when the database goes away, however it is told.
_LOST = (
    r"OperationalError|InterfaceError|AdminShutdown|server closed the connection|"
    r"connection .*(refused|failed|closed|lost)|terminating connection|the database system is|"
    r"CannotConnectNow|CrashShutdown|No such file or directory"
)
EXPECTED = (
    Expected(_LOST, DATABASE),
    # The queue's own lines about it carry no reason.
    Expected(r"worker waits for the database", DATABASE),
    Expected(r"worker restarts|reincarnated|worker ends", (*WORKERS, *DATABASE)),
    Expected(r"was sent SIGKILL|Worker .* (died|exited)|Booting worker", WEB),
    # The cloud's answer to a fault of the lab, in the task's own words; the task tells.
    Expected(r"sizes of .* could not be read"),
    # So says the library that signs in, of an answer that the lab was told to give.
    Expected(r"^ClientSecretCredential\.get_token\w* failed", LAB_BLOWS),
    Expected(r"^Ran into a deserialization error", LAB_BLOWS),
    # A mistake of a person's, or what they came too late for.
    Expected(r"^(Unprocessable|Not Found|Conflict|Unauthorized|Too Many Requests)"),
)
_GUNICORN = re.compile(r"^\[(?P<at>[^\]]+) \+0000\] \[\d+\] \[(?P<level>\w+)\] (?P<text>.*)$")


@dataclass
class Line:
    """One entry: seconds of the run, level, what it says (a traceback's last line too)."""

    at: float
    level: str
    text: str


def unexpected(logs: list[Path], clock: Clock) -> tuple[Counter[str], list[str]]:
    """Count entries by log and level; answer those that nothing explains, shortened."""
    levels: Counter[str] = Counter()
    found: list[str] = []
    for log in logs:
        for line in entries(log, clock):
            levels[f"{log.stem} {line.level}"] += 1
            if line.level not in QUIET and not _is_explained(line, clock):
                found.append(f"{log.stem} at {line.at:.0f} s: {line.level}: {line.text[:300]}")
    return levels, found


def _is_explained(line: Line, clock: Clock) -> bool:
    for each in EXPECTED:
        if re.search(each.pattern, line.text) and (
            not each.kinds or clock.excused(line.at, each.kinds)
        ):
            return True
    return False


def entries(log: Path, clock: Clock) -> Iterator[Line]:
    """The entries of a log. What is no entry (a bare traceback) is one, of level "bare"."""
    at, bare = 0.0, []
    for raw in log.read_text(errors="replace").splitlines():
        line = _of_json(raw, clock) or _of_gunicorn(raw, clock)
        if line is None:
            bare.append(raw)
            continue
        if any(each.strip() for each in bare):
            yield Line(at, "bare", " / ".join(bare[-4:]))
        bare, at = [], line.at
        yield line
    if any(each.strip() for each in bare):
        yield Line(at, "bare", " / ".join(bare[-4:]))


def _of_json(raw: str, clock: Clock) -> Line | None:
    if not raw.startswith("{"):
        return None
    try:
        told: dict[str, Any] = json.loads(raw)
    except ValueError:
        return None
    trace = str(told.get("exception", "")).strip().splitlines()
    # The whole of a trace's ends: what was raised while another was handled is told last.
    text = " | ".join([str(told.get("event", "")), *_raised(trace), str(told.get("error", ""))])
    at = clock.at(datetime.fromisoformat(told["timestamp"])) if "timestamp" in told else 0.0
    return Line(at, str(told.get("level", "info")), text)


def _raised(trace: list[str]) -> list[str]:
    """The lines of a traceback that name what was raised."""
    return [each for each in trace if re.match(r"^[A-Za-z_.]+(Error|Exception|\w+): ", each)]


def _of_gunicorn(raw: str, clock: Clock) -> Line | None:
    match = _GUNICORN.match(raw)
    if match is None:
        return None
    at = datetime.fromisoformat(f"{match['at']}+00:00")
    return Line(clock.at(at), match["level"].lower(), match["text"])
