"""Faults: what shall go wrong, at which calls, how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Fault:
    """One rule. Strikes ``count`` times after letting ``after`` matching calls pass."""

    kind: str
    method: str = "*"
    path: str = ".*"
    cluster: str | None = None
    after: int = 0
    count: int = 1
    status: int = 503
    body: object | None = None
    retry_after: int | None = None
    detail: str | None = None
    delay: float | None = None
    callback: Callable[[], object] | None = None
    when: str = "before"

    def matches(self, cluster: str, method: str, path: str) -> bool:
        """Whether this call is one it means, its count aside."""
        return (
            self.method in ("*", method)
            and self.cluster in (None, cluster)
            and re.search(self.path, path) is not None
        )


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force; its ``count`` falls to 0 as it strikes."""
        with self._lock:
            self._rules.append(fault)
        return fault

    def clear(self) -> None:
        """Lift all rules."""
        with self._lock:
            self._rules.clear()

    def strike(self, cluster: str, method: str, path: str) -> Fault | None:
        """Return the rule that strikes this call, counting it down."""
        with self._lock:
            for rule in self._rules:
                if rule.count <= 0 or not rule.matches(cluster, method, path):
                    continue
                if rule.after > 0:
                    rule.after -= 1
                    continue
                rule.count -= 1
                return rule
        return None
