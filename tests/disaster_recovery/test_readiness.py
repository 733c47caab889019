"""Each prerequisite is judged by itself: what makes it red, and what it says (R101 to R127)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from disaster_recovery.models import ReadinessCheck
from disaster_recovery.readiness import (
    Finding,
    Machine,
    Needs,
    Port,
    of_clusters,
    of_regions,
)
from portal.clouds.api import Identity, Link, Quota, SiteFacts

PASSED, WARNING, FAILED = ReadinessCheck.State.values
SELF, DEFAULT, OTHER = "SelfServiceContainer", "default-container-77107", "storage-container-112133"
THERE = Link(
    "dub", {"10.20.1.50": 2020}, "established", ("DISASTER_RECOVERY",),
    {SELF: SELF, DEFAULT: OTHER}, latency_seconds=0.012,
)  # fmt: skip
BACK = replace(
    THERE, name="lon", addresses={"10.10.1.50": 2020}, containers={SELF: SELF, OTHER: DEFAULT}
)
PRIMARY = SiteFacts(
    Identity("1", "ahv-lon-01", "6.5"), ("10.10.1.50",), (THERE,), containers=(SELF, DEFAULT)
)
SECONDARY = SiteFacts(
    Identity("2", "ahv-dub-02", "6.5"), ("10.20.1.50",), (BACK,), containers=(SELF, OTHER)
)
NEEDS = Needs(
    is_vendor_hosted=False,
    machines=(Machine("AHV 4vCPU", 4, 16384),),
    containers={SELF: ["gold"], DEFAULT: ["pd-0388"]},
    types={"AHV 4vCPU": (4, 16384)},
    region="northeurope",
)
PORTS = [Port("10.20.1.50", 2009), Port("10.20.1.50", 2020)]


def _clusters(**change: Any) -> dict[str, Finding]:
    given: dict[str, Any] = {
        "needs": NEEDS, "primary": PRIMARY, "secondary": SECONDARY, "ports": PORTS,
    }  # fmt: skip
    return {each.key: each for each in of_clusters(**(given | change))}


def _link(**change: Any) -> SiteFacts:
    return replace(PRIMARY, links=(replace(THERE, **change),))


def test_two_clusters_that_are_set_up_pass() -> None:
    found = _clusters()
    assert {each.state for each in found.values()} == {PASSED}
    assert "12 ms away" in found["remote_site"].measured
    assert found["containers"].rows == ((SELF, SELF), (DEFAULT, OTHER))


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        ("hosting", {"needs": replace(NEEDS, is_vendor_hosted=True)}, "vendor's infrastructure"),
        (
            "second_cluster",
            {"secondary": replace(SECONDARY, identity=PRIMARY.identity)},
            "the same",
        ),
        ("primary_access", {"primary": replace(PRIMARY, is_read_only=True)}, "change nothing"),
        ("secondary_access", {"secondary": replace(SECONDARY, is_read_only=True)}, "may look"),
        ("remote_site", {"primary": replace(PRIMARY, links=())}, "no Remote Site"),
        ("remote_site", {"primary": _link(capabilities=("BACKUP",))}, "capabilities BACKUP"),
        ("remote_site", {"primary": _link(status="not_reachable")}, "not reachable"),
        ("return_site", {"secondary": replace(SECONDARY, links=())}, "no Remote Site"),
        ("containers", {"primary": _link(containers={SELF: SELF})}, f"{DEFAULT} holds pd-0388"),
        ("containers", {"primary": _link(containers={SELF: SELF, DEFAULT: "gone"})}, "not there"),
        (
            "containers_back",
            {"secondary": replace(SECONDARY, links=(replace(BACK, containers={SELF: SELF}),))},
            OTHER,
        ),
        ("instance_types", {"needs": replace(NEEDS, types={})}, "AHV 4vCPU"),
        ("instance_types", {"needs": replace(NEEDS, types={"AHV 4vCPU": (4, 8192)})}, "AHV 4vCPU"),
    ],
)
def test_what_is_not_met_is_red_and_says_how_to_mend_it(
    key: str, change: dict[str, Any], said: str
) -> None:
    found = _clusters(**change)[key]
    assert (found.state, said in found.measured) == (FAILED, True), found
    assert found.advice


def test_instance_types_that_differ_are_listed_with_both_values() -> None:
    found = _clusters(needs=replace(NEEDS, types={"AHV 4vCPU": (4, 8192)}))["instance_types"]
    assert found.rows == (("AHV 4vCPU", "4 vCPU · 16 GB", "4 vCPU · 8 GB"),)


def test_two_containers_may_lead_to_one() -> None:
    both = _link(containers={SELF: SELF, DEFAULT: SELF})
    assert _clusters(primary=both)["containers"].state == PASSED


@pytest.mark.parametrize(("status", "state"), [("established", WARNING), ("not_reachable", FAILED)])
def test_a_closed_port_is_named_and_red_only_where_the_link_is_down(
    status: str, state: str
) -> None:
    ports = [Port("10.20.1.50", 2009), Port("10.20.1.50", 2020, "connection refused")]
    found = _clusters(primary=_link(status=status), ports=ports)["ports"]
    assert found.state == state
    assert "tcp/2020 of 10.20.1.50: connection refused" in found.measured
    assert "2009" not in found.measured.replace("tcp/2009 and", "")


REGIONS = SiteFacts(
    Identity("s", "Research", "ARM"),
    regions=("westeurope", "northeurope"),
    sizes={"Standard_D4s_v5": (4, 16384)},
    quotas=(Quota("Total Regional vCPUs", 10, 100),),
)
AZURE = replace(NEEDS, machines=(Machine("Standard_D4s_v5", 4, 16384),))


def _regions(needs: Needs = AZURE, **change: Any) -> dict[str, Finding]:
    found = of_regions(needs, REGIONS, replace(REGIONS, **change))
    return {each.key: each for each in found}


def test_two_regions_that_fit_pass() -> None:
    assert {each.state for each in _regions().values()} == {PASSED}


def test_a_region_that_is_not_open_and_a_size_that_is_not_offered_are_red() -> None:
    assert _regions(regions=("westeurope",))["region"].state == FAILED
    found = _regions(sizes={})["vm_sizes"]
    assert (found.state, "Standard_D4s_v5" in found.measured) == (FAILED, True)


@pytest.mark.parametrize(("used", "state"), [(79, PASSED), (80, WARNING), (100, WARNING)])
def test_a_quota_warns_at_eighty_percent(used: int, state: str) -> None:
    assert _regions(quotas=(Quota("Snapshots", used, 100),))["quotas"].state == state


def test_rights_that_replication_needs_are_red_and_those_of_publishing_amber() -> None:
    lacking = ("Microsoft.Compute/snapshots/write", "Microsoft.Compute/disks/write")
    found = _regions(lacking=lacking, lacking_at="/subscriptions/s")["rights"]
    assert found.state == FAILED
    assert all(right in found.measured for right in lacking)
    assert "/subscriptions/s" in found.advice
    said = "Publishing a domain-joined Sandbox needs Microsoft.Compute/virtualMachines/delete."
    warned = replace(REGIONS, identity=replace(REGIONS.identity, warnings=(said,)))
    found = {each.key: each for each in of_regions(AZURE, warned, warned)}["rights"]
    assert (found.state, found.measured) == (WARNING, said)


def test_a_limit_of_nothing_is_tight() -> None:
    assert _regions(quotas=(Quota("Spot vCPUs", 0, 0),))["quotas"].state == WARNING
