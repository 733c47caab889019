"""The control API: what no cloud would let a client do. Under ``/.lab/`` on every port.

No sign-in: the lab listens on loopback only. Calls here are neither logged nor faulted.
What is here works on every port; each cloud adds what can be done to its own state.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from portal.lab.faults import Fault
from portal.lab.routing import Answer, Refusal, Request, Routes

DONE = Answer({"done": True})


def common_routes() -> Routes[Any]:
    """Clock, faults and calls: those of the whole lab."""
    routes: Routes[Any] = Routes()
    for method, path, handler in _COMMON:
        routes(method, path)(handler)
    return routes


# The clock


def _clock(site: Any) -> Answer:
    clock = site.lab.clock
    return Answer({"now": clock.now().isoformat(), "scale": clock.scale})


def clock_show(site: Any, request: Request) -> Answer:
    return _clock(site)


def clock_set(site: Any, request: Request) -> Answer:
    """``{"advance": seconds}`` jumps, ``{"scale": lab seconds per real second}`` sets the pace."""
    body = request.object
    try:
        if "scale" in body:
            site.lab.clock.scale = _number(body["scale"])
        if "advance" in body:
            site.lab.clock.advance(_number(body["advance"]))
    except ValueError as error:
        raise Refusal(str(error), 400) from None
    return _clock(site)


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("a number is wanted")
    return float(given)


# Faults and the log of calls


def _show_fault(fault: Fault) -> dict[str, Any]:
    names = [each.name for each in fields(Fault) if each.name != "callback"]
    return {name: getattr(fault, name) for name in names}


def fault_list(site: Any, request: Request) -> Answer:
    return Answer([_show_fault(fault) for fault in site.lab.faults])


def fault_create(site: Any, request: Request) -> Answer:
    """The fields of `Fault`, without ``callback``: that works in the lab's process only."""
    try:
        fault = site.lab.faults.add(Fault(**request.object))
    except (TypeError, ValueError) as error:
        raise Refusal(str(error), 400) from None
    return Answer(_show_fault(fault), 201)


def fault_clear(site: Any, request: Request) -> Answer:
    site.lab.faults.clear()
    return DONE


def call_list(site: Any, request: Request) -> Answer:
    """Calls to every cloud, oldest first; ``?cluster=`` and ``?method=`` choose."""
    wanted = request.query
    return Answer([
        {**vars(call), "at": call.at.isoformat()}
        for call in site.lab.calls
        if wanted.get("cluster") in (None, call.cluster)
        and wanted.get("method") in (None, call.method)
    ])  # fmt: skip


def call_clear(site: Any, request: Request) -> Answer:
    site.lab.calls.clear()
    return DONE


# Settings


def change(settings: Any, request: Request) -> Answer:
    """Change the fields that are named; others stay."""
    for name, value in request.object.items():
        present = getattr(settings, name, None)
        if present is None:
            raise Refusal(f"There is no {name} here", 400)
        kinds = (int, float) if isinstance(present, float | int) else type(present)
        if isinstance(present, bool) != isinstance(value, bool) or not isinstance(value, kinds):
            raise Refusal(f"{name} can not be {value!r}", 400)
        setattr(settings, name, value)
    return Answer(asdict(settings))


_COMMON = (
    ("GET", "/clock", clock_show),
    ("POST", "/clock", clock_set),
    ("GET", "/faults", fault_list),
    ("POST", "/faults", fault_create),
    ("DELETE", "/faults", fault_clear),
    ("GET", "/calls", call_list),
    ("DELETE", "/calls", call_clear),
)
