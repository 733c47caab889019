"""The control API: what no cloud would let a client do. Under ``/.lab/`` on every port."""

from __future__ import annotations

from typing import Any

from portal.lab.prism import PrismCluster
from portal.lab.routing import Answer, Refusal, Request, Routes

CONTROL: Routes[PrismCluster] = Routes()


def _clock(cluster: PrismCluster) -> Answer:
    clock = cluster.lab.clock
    return Answer({"now": clock.now().isoformat(), "scale": clock.scale})


@CONTROL("GET", "/clock")
def clock_show(cluster: PrismCluster, request: Request) -> Answer:
    return _clock(cluster)


@CONTROL("POST", "/clock")
def clock_set(cluster: PrismCluster, request: Request) -> Answer:
    """``{"advance": seconds}`` jumps, ``{"scale": lab seconds per real second}`` sets the pace."""
    body = request.object
    try:
        if "scale" in body:
            cluster.lab.clock.scale = _number(body["scale"])
        if "advance" in body:
            cluster.lab.clock.advance(_number(body["advance"]))
    except ValueError as error:
        raise Refusal(str(error), 400) from None
    return _clock(cluster)


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("a number is wanted")
    return float(given)
