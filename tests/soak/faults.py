"""Carries the plan out: strikes each blow when it is its turn, and notes what it disturbed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import psutil
import requests

from tests.lab_fixtures import CLOUD_CALL
from tests.soak import processes
from tests.soak.clock import Clock, Disturbance
from tests.soak.plan import DATABASE_BLOWS, DUBLIN, LONDON, PROCESS_BLOWS, Blow, blows
from tests.soak.world import READ_TIMEOUT_SECONDS, World

RETRY_AFTER_SECONDS = 4
SLOW_SECONDS = 3.0
# Rules of the lab strike calls that come; those that met none are lifted after so long.
RULE_SECONDS = 20.0
STATUSES = (500, 503, 504)
# How a server falls, as its signals: fast, and immediate.
SIGNALS = {"database_fast": "SIGINT", "database_immediate": "SIGQUIT"}


class Faults:
    """``done`` counts what was struck; ``missed`` what found nothing to strike."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock
        self._lab = requests.Session()
        self._lab.trust_env, self._lab.verify = False, str(world.lab.ca)
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._lasting: list[threading.Thread] = []

    def thread(self) -> threading.Thread:
        return threading.Thread(target=self._carry_out, daemon=True)

    def _carry_out(self) -> None:
        for blow in blows(self._world.options):
            if not self._clock.sleep_until(blow.at):
                break
            began = self._clock.now()
            try:
                seconds = self._strike(blow)
            except (psutil.NoSuchProcess, ProcessLookupError, LookupError):
                # What it was meant for is being started again just now.
                self.missed[blow.name] += 1
                continue
            self.done[blow.name] += 1
            ended = self._clock.now() + seconds
            self._clock.disturbances.append(Disturbance(blow.name, began, ended))
        for each in self._lasting:
            each.join()
        self.lift()

    def lift(self) -> None:
        """Let the lab be well."""
        self._call(LONDON, "DELETE", "/faults")
        self._link(is_azure=True, is_up=True)
        self._link(is_azure=False, is_up=True)
        self._throttle(is_on=False)

    def _strike(self, blow: Blow) -> float:
        """Do it; return for how many seconds from now its effect may last."""
        if blow.name in DATABASE_BLOWS:
            return self._restart_database(blow)
        if blow.name in PROCESS_BLOWS:
            processes.kill(self._victim(blow))
            return 5.0
        if blow.name == "link":
            return self._for_a_while(blow, self._link, is_azure=blow.facts["azure"])
        if blow.name == "throttled_azure":
            return self._for_a_while(blow, self._throttle)
        self._call(LONDON, "POST", "/faults", _rule(blow))
        return RULE_SECONDS + READ_TIMEOUT_SECONDS

    def _restart_database(self, blow: Blow) -> float:
        import signal

        self._world.database.stop(signal.Signals[SIGNALS[blow.name]])
        time.sleep(blow.facts["which"] / 50)
        self._world.database.start()
        return 1.0

    def _victim(self, blow: Blow) -> psutil.Process:
        which, world = int(blow.facts["which"]), self._world
        worker = world.workers[which % len(world.workers)]
        found: list[psutil.Process]
        match blow.name:
            case "kill_runner":
                found = processes.runners(worker)
            case "kill_cluster":
                found = [processes.cluster(worker)]
            case "kill_supervisor":
                found = [worker.process()]
            case "kill_web_worker":
                found = world.web.process().children()
            case _:
                found = [world.web.process()]
        if not found:
            raise LookupError(blow.name)
        return found[which % len(found)]

    # The lab's own knobs

    def _for_a_while(self, blow: Blow, switch: Any, **facts: Any) -> float:
        """Switch on now, and off when its time is up."""
        seconds = float(blow.facts["seconds"])
        is_link = blow.name == "link"

        def end() -> None:
            self._clock.ended.wait(seconds)
            switch(**facts, **{"is_up" if is_link else "is_on": is_link})

        switch(**facts, **{"is_up" if is_link else "is_on": not is_link})
        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        self._lasting.append(thread)
        return seconds

    def _link(self, *, is_azure: bool, is_up: bool) -> None:
        body: dict[str, Any] = {"up": is_up}
        if not is_azure:
            body["site"] = DUBLIN
        self._call("azure" if is_azure else LONDON, "POST", "/link", body)

    def _throttle(self, *, is_on: bool) -> None:
        self._call("azure", "POST", "/dialect", {"is_throttled": is_on})

    def _call(self, place: str, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        url = f"{self._world.lab.urls[place]}/.lab{path}"
        self._lab.request(method, url, json=body, timeout=60).raise_for_status()


def _rule(blow: Blow) -> dict[str, Any]:
    """The lab's rule for a blow."""
    facts = {key: blow.facts[key] for key in ("cluster", "after", "count")}
    # The cloud's own calls, not the lab's control.
    rule = {"path": CLOUD_CALL, **facts}
    match blow.name:
        case "throttle":
            return rule | {"kind": "status", "status": 429, "retry_after": RETRY_AFTER_SECONDS}
        case "errors":
            return rule | {"kind": "status", "status": STATUSES[facts["count"] % 3]}
        case "slow":
            return rule | {"kind": "slow", "delay": SLOW_SECONDS}
        case "hang":
            return rule | {"kind": "hang", "count": 2}
        case "task_failed" | "operation_expired":
            return rule | {"kind": blow.name, "method": "POST"}
        case "replication_aborted":
            return {"kind": blow.name, "count": 1, "cluster": LONDON}
        case name:
            return rule | {"kind": name}
