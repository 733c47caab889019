"""What shall go wrong: at which calls, and how often.

=====================  ===========================================================
status                 answers ``status`` with ``body`` (default: an error body) and
                       ``Retry-After: retry_after``; does not act
html                   502 with a page of HTML; does not act
hang                   never answers and does not act, until the client goes away
drop_before            closes the connection; does not act
drop_after             acts, then closes the connection without an answer
slow                   acts, and answers ``delay`` real seconds later
task_failed            accepts the call; the task it starts ends Failed with ``detail``
operation_expired      accepts the call; of the operation it starts there is no record (Azure)
expired_session        ends the sign-in a call relies on (cookie, token): 401
call                   runs ``callback`` and closes the connection; acts on the call
                       first if ``when`` is "after". In this process only
replication_aborted    the next replication that starts breaks off half-way
remote_unreachable     the next replication due to start finds no remote site, and
                       tries again a minute later; sites look unreachable meanwhile
=====================  ===========================================================

For the last two, ``path`` is searched in ``/protection_domains/<name>/replications``
and ``cluster`` is the sender.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CALL_KINDS = frozenset({
    "status", "html", "hang", "drop_before", "drop_after", "slow", "task_failed",
    "operation_expired", "expired_session", "call",
})  # fmt: skip
REPLICATION_KINDS = frozenset({"replication_aborted", "remote_unreachable"})


@dataclass(eq=False)
class Fault:
    """One rule: lets ``after`` matching calls pass, then strikes ``count`` of them.

    ``path`` is a regular expression, searched in the path after the API's base.
    ``after`` and ``count`` fall to 0 as the rule is used up.
    """

    kind: str
    method: str = "*"
    path: str = ".*"
    cluster: str | None = None
    after: int = 0
    count: int = 1
    status: int = 503
    body: Any = None
    retry_after: float | str | None = None
    detail: str | None = None
    delay: float | None = None
    callback: Callable[[], object] | None = None
    when: str = "before"

    def __post_init__(self) -> None:
        if self.kind not in CALL_KINDS | REPLICATION_KINDS:
            raise ValueError(f"no such kind of fault: {self.kind}")
        if self.when not in ("before", "after"):
            raise ValueError("when is before or after")
        if (self.kind == "call") != (self.callback is not None):
            raise ValueError("the kind call, and no other, has a callback")
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from None

    def matches(self, cluster: str, method: str, path: str) -> bool:
        """Whether this rule means this call, its counts aside."""
        return (
            self.cluster in (None, cluster)
            and self.method.upper() in ("*", method)
            and self._pattern.search(path) is not None
        )


class Faults:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def __iter__(self) -> Any:
        return iter(list(self._rules))

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force."""
        with self._lock:
            self._rules.append(fault)
        return fault

    def clear(self) -> None:
        """Lift all rules."""
        with self._lock:
            self._rules.clear()

    def strike(
        self, cluster: str, method: str, path: str, *, has_session: bool = False
    ) -> Fault | None:
        """Return the rule that strikes this call and count it down, if there is one."""
        if not self._rules:
            return None
        kinds = CALL_KINDS if has_session else CALL_KINDS - {"expired_session"}
        return self._take(kinds, cluster, method, path)

    def strike_replication(self, kind: str, cluster: str, domain: str) -> bool:
        """Whether a rule of this kind strikes a replication that is about to start."""
        path = f"/protection_domains/{domain}/replications"
        return self._take(frozenset({kind}), cluster, "*", path) is not None

    def hides_remotes(self, cluster: str) -> bool:
        """Whether a rule in force makes the remote sites of this cluster look unreachable."""
        return any(
            rule.kind == "remote_unreachable" and rule.count > 0 and rule.cluster in (None, cluster)
            for rule in list(self._rules)
        )

    def _take(self, kinds: frozenset[str], cluster: str, method: str, path: str) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.kind not in kinds or rule.count <= 0:
                    continue
                if not rule.matches(cluster, method, path):
                    continue
                if rule.after > 0:
                    rule.after -= 1
                    continue
                rule.count -= 1
                return rule
        return None
