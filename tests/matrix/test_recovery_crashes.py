"""The same for disaster recovery: a worker killed before and after every call to either site.

See `tests.matrix.test_crashes`. The everyday run takes a part; STANDBY_MATRIX=all takes all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.lab import Fault, Lab, LabServer
from tests.lab.azure.schemas_check import checked
from tests.lab_fixtures import CLOUD_CALL, empty_lab
from tests.matrix.recovery import CASES, begin, check
from tests.matrix.strides import strides
from tests.matrix.test_crashes import MANY, Host, directory, host  # noqa: F401  # fixtures

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

STRIDES = strides(ahv=181, azure=167)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "what", "workflow"), CASES)
def test_a_killed_worker_loses_and_doubles_nothing_at_either_site(
    kind: str,
    what: str,
    workflow: str,
    when: str,
    host: Host,  # noqa: F811
    directory: Path,  # noqa: F811
    record_property: Callable[[str, object], None],
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _kill((kind, what, workflow), when, host, lab, server))
    record_property(
        "matrix", f"{kind}: {workflow}, {what}, worker killed {when} a call: {cases} cases"
    )


def _kill(
    place: tuple[str, str, str],
    when: str,
    host: Host,  # noqa: F811
    lab: Lab,
    server: LabServer,
) -> Iterator[int]:
    kind, what, workflow = place
    stride = STRIDES[kind]
    # Not the same calls of each workflow.
    first = (CASES.index(place) * 7 + (when == "after") * 3) % stride
    for number in range(first, MANY, stride):
        empty_lab(lab)
        case = begin(workflow, server, lab, kind, what)
        lab.faults.add(Fault("call", path=CLOUD_CALL, after=number, callback=host.kill, when=when))
        was_killed = os.WIFSIGNALED(host.work(server))
        lab.faults.clear()
        if was_killed:
            assert host.work(server) == 0
        check(case, workflow, must_succeed=True)
        if not was_killed:
            return
        yield number
    raise AssertionError("the workflow never ran out of calls")
