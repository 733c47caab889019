"""Whole workflows whose runner loses the database at a round trip: nothing lost, nothing doubled.

Cut before a trip, its statement was never made; cut after, it was, a commit included, and
nobody was told. The everyday run takes some; STANDBY_MATRIX=all takes all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from tests.faults.conftest import relay
from tests.faults.relay import Relay, When
from tests.lab_fixtures import empty_lab
from tests.matrix.recovery import CASES, begin, check
from tests.matrix.strides import portion, strides
from tests.matrix.test_crashes import WORKFLOWS, directory
from tests.scene import build

__all__ = ["directory", "relay"]

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 5000
# Every workflow has as many round trips.
SOON = 100
STRIDES = strides(ahv=40, recovery=120)
STRUCK = ("backup", "restore", "delete")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("workflow", STRUCK)
def test_a_cut_connection_loses_and_doubles_nothing_of_a_workflow(
    workflow: str,
    when: When,
    relay: Relay,
    directory: Path,
    record_property: Callable[[str, object], None],
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server:
        cases = sum(1 for _ in _cut(workflow, when, relay, lab, server))
    assert cases >= 1
    record_property("matrix", f"ahv: {workflow}, database cut {when} a trip: {cases} cases")


@pytest.mark.parametrize(("kind", "what", "workflow"), portion(CASES, every=17))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_connection_loses_and_doubles_nothing_at_two_sites(
    kind: str,
    what: str,
    workflow: str,
    when: When,
    relay: Relay,
    directory: Path,
    record_property: Callable[[str, object], None],
) -> None:
    cases, stride = 0, STRIDES["recovery"]
    # Not the same trips of each.
    first = (CASES.index((kind, what, workflow)) * 13 + 20 * (when == "after")) % min(stride, SOON)
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server:
        for trip in range(first, MANY, stride):
            empty_lab(lab)
            started = begin(workflow, server, lab, kind, what)
            cuts = relay.cuts
            relay.cut_at(trip, when)
            started.scene.drive(started.task)
            was_cut = relay.cuts > cuts
            relay.cut_at(MANY, when)
            check(started, workflow, must_succeed=True)
            if not was_cut:
                break
            cases += 1
    told = f"{kind}: {workflow}, {what}, database cut {when} a trip: {cases} cases"
    record_property("matrix", told)


def _cut(
    workflow: str,
    when: When,
    relay: Relay,
    lab: Lab,
    server: LabServer,
) -> Iterator[int]:
    stride = STRIDES["ahv"]
    # Not the same trips of each workflow.
    first = (STRUCK.index(workflow) * 13 + (when == "after") * 7) % stride
    for trip in range(first, MANY, stride):
        empty_lab(lab)
        scene = build(server, lab)
        check_it = WORKFLOWS[workflow](scene)
        cuts = relay.cuts
        relay.cut_at(trip, when)
        Runner(clock=scene.clock, threads=4).run(seconds=30 * 86400)
        was_cut = relay.cuts > cuts
        relay.cut_at(MANY, when)
        check_it()
        if not was_cut:
            return
        yield trip
    raise AssertionError("the workflow never ran out of round trips")
