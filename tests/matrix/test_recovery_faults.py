"""The same for disaster recovery: a fault and a cancel at every call to either site.

See `tests.matrix.test_faults`. The everyday run takes a part; STANDBY_MATRIX=all takes all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from portal import engine
from portal.lab import Fault, Lab, LabServer
from portal.models import Task
from portal.refusals import Refused
from tests.lab.azure.schemas_check import checked
from tests.lab_fixtures import CLOUD_CALL, empty_lab
from tests.matrix.recovery import CASES, begin, check
from tests.matrix.strides import portion, strides
from tests.matrix.test_faults import (  # noqa: F401  # fixtures
    FAULTS,
    MANY,
    PASSING,
    _impatient,
    directory,
)

pytestmark = pytest.mark.django_db

STRIDES = strides(ahv=97, azure=89)
RecordProperty = Callable[[str, object], None]
Place = tuple[str, str, str]
# Of 13 faults every ninth: each is met, and most workflows at each place.
STRUCK = portion([(*case, fault) for case, fault in product(CASES, FAULTS)], every=9)


def _strike(case: Place, fault: str, lab: Lab, server: LabServer) -> Iterator[int]:
    kind, what, workflow = case
    stride = STRIDES[kind]
    # Not the same calls with each fault of each workflow.
    first = (CASES.index(case) * 5 + list(FAULTS).index(fault) * 3) % stride
    for number in range(first, MANY, stride):
        empty_lab(lab)
        started = begin(workflow, server, lab, kind, what)
        injected = lab.faults.add(Fault(path=CLOUD_CALL, after=number, count=1, **FAULTS[fault]))
        started.scene.drive(started.task)
        has_struck = injected.count == 0
        lab.faults.clear()
        check(started, workflow, must_succeed=fault in PASSING)
        if not has_struck:
            return
        yield number
    raise AssertionError("the workflow never ran out of calls")


@pytest.mark.parametrize(("kind", "what", "workflow", "fault"), STRUCK)
def test_a_fault_at_any_call_ends_right_at_both_sites(
    kind: str,
    what: str,
    workflow: str,
    fault: str,
    directory: Path,  # noqa: F811
    record_property: RecordProperty,
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _strike((kind, what, workflow), fault, lab, server))
    record_property("matrix", f"{kind}: {workflow}, {what}, {fault}: {cases} cases")


@pytest.mark.parametrize(("kind", "what", "workflow"), portion(CASES, every=3))
def test_a_cancel_before_any_call_ends_right_at_both_sites(
    kind: str,
    what: str,
    workflow: str,
    directory: Path,  # noqa: F811
    record_property: RecordProperty,
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _cancel((kind, what, workflow), lab, server))
    record_property("matrix", f"{kind}: {workflow}, {what}, cancelled: {cases} cases")


def _cancel(case: Place, lab: Lab, server: LabServer) -> Iterator[int]:
    kind, what, workflow = case
    stride = STRIDES[kind]
    for number in range(CASES.index(case) * 5 % stride, MANY, stride):
        empty_lab(lab)
        started = begin(workflow, server, lab, kind, what)
        # The first cancel that is possible after `number` calls: the task is held up there.
        busy = lab.faults.add(
            Fault("status", path=CLOUD_CALL, after=number, count=1, status=503, retry_after=60)
        )
        started.scene.scene.drive_until(_has_struck(busy))
        if busy.count:
            return
        with contextlib.suppress(Refused):  # it has ended, or is past the point of no return
            engine.cancel(Task.objects.get(pk=started.task.pk))
        started.scene.drive(started.task)
        check(started, workflow, must_succeed=False)
        yield number
    raise AssertionError("the workflow never ran out of calls")


def _has_struck(fault: Fault) -> Callable[[], bool]:
    return lambda: fault.count == 0
