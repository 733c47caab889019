"""Operations of the SDK without its threads and sleeps, followed by any process."""

from __future__ import annotations

import json
import threading

import pytest

from portal.clouds.api import CloudBusy, CloudRefused, Operation, Progress
from portal.clouds.azure.driver import AzureCloud
from portal.clouds.azure.operations import MOST_ENDED
from portal.lab import Fault
from tests.contract.azure_site import AzureSite
from tests.contract.carrying import MARK, carry, connected, wait


def _begun(azure: AzureCloud, site: AzureSite) -> Operation:
    begun = azure.ensure_copy(site.add_server(["system"]), "tok", MARK)
    assert isinstance(begun, Operation)
    return begun


def _stands(azure: AzureCloud, operation: Operation) -> str:
    return azure.progress([operation.id])[operation.id].state


def test_following_sends_nothing_again_and_starts_no_thread(
    azure: AzureCloud, site: AzureSite
) -> None:
    threads = threading.active_count()
    begun = _begun(azure, site)
    with connected(site.connection) as other:
        wait(site, other, begun)
    assert len([call for call in site.calls() if call.startswith("PUT")]) == 1
    assert threading.active_count() == threads


def test_one_look_is_one_call(azure: AzureCloud, site: AzureSite) -> None:
    begun = _begun(azure, site)
    before = len(site.calls())
    assert _stands(azure, begun) == Progress.RUNNING
    assert len(site.calls()) == before + 1


def test_a_token_of_another_release_of_the_sdk_is_no_end(
    azure: AzureCloud, site: AzureSite
) -> None:
    begun = _begun(azure, site)
    name, _, text = begun.id.partition(" ")
    stale = Operation(f"{name} {json.dumps(json.loads(text) | {'token': 'gAJ9cQAu'})}")
    assert _stands(azure, stale) == Progress.RUNNING
    site.advance(60)
    assert _stands(azure, stale) == Progress.DONE


def test_a_name_that_pages_show_holds_no_signed_address(azure: AzureCloud, site: AzureSite) -> None:
    assert _begun(azure, site).id.partition(" ")[0] == "create_or_update:standby-tok"


@pytest.mark.parametrize("id_", ["", "task-17", "name {}", 'name {"verb": 1}', "name []"])
def test_what_is_no_operation_of_azure_is_refused(azure: AzureCloud, id_: str) -> None:
    with pytest.raises(CloudRefused, match="not an operation"):
        azure.progress([id_])


def test_an_operation_without_a_record_is_read_off_its_resource(
    azure: AzureCloud, site: AzureSite
) -> None:
    site.strike(Fault("operation_expired", method="PUT"))
    begun = _begun(azure, site)
    assert _stands(azure, begun) == Progress.RUNNING
    site.advance(60)
    assert _stands(azure, begun) == Progress.DONE


def test_what_fails_says_why_and_what_to_do(azure: AzureCloud, site: AzureSite) -> None:
    words = (
        "Operation results in exceeding approved standardDSv5Family Cores quota. Location: "
        "westeurope, Current Limit: 10, Current Usage: 10."
    )
    site.strike(Fault("task_failed", method="POST", path="/start", detail=words))
    begun = azure.ensure_on(site.add_server(["system"]))
    assert begun
    site.advance(60)
    detail = azure.progress([begun.id])[begun.id].detail
    assert words in detail
    assert "Ask Azure for more standardDSv5Family Cores than 10 in westeurope" in detail


def test_many_that_fail_are_asked_for_their_words(azure: AzureCloud, site: AzureSite) -> None:
    servers = [site.add_server(["system"]) for _ in range(5)]
    site.strike(Fault("task_failed", method="POST", path="/start", detail="No host left"))
    begun = [azure.ensure_on(server) for server in servers]
    site.advance(60)
    found = azure.progress([each.id for each in begun if each])
    assert sorted(each.state for each in found.values()) == ["done"] * 4 + ["failed"]
    assert ["No host left" in each.detail for each in found.values()].count(True) == 1


def test_a_poll_that_is_turned_away_is_no_verdict(azure: AzureCloud, site: AzureSite) -> None:
    begun = _begun(azure, site)
    site.strike(Fault("status", status=429, retry_after=17))
    with pytest.raises(CloudBusy) as caught:
        azure.progress([begun.id])
    assert caught.value.retry_after == 17
    assert _stands(azure, begun) == Progress.RUNNING


def test_a_token_that_ran_out_is_renewed_within_the_call(
    azure: AzureCloud, site: AzureSite
) -> None:
    azure.identify()
    site.cloud.access.generation += 1
    assert azure.identify().id
    site.advance(7200)
    assert azure.identify().id


def test_somebody_elses_operation_is_waited_for(azure: AzureCloud, site: AzureSite) -> None:
    server = site.add_server(["system"], power="on")
    with connected(site.connection) as other:
        other.ensure_off(server)
    held_up = azure.ensure_on(server)
    assert held_up
    assert held_up.id.startswith("watch:")
    carry(site, azure, lambda cloud: cloud.ensure_on(server))
    assert site.power(server) == "on"


def test_however_many_end_at_once_few_are_asked_at_one_look(
    azure: AzureCloud, site: AzureSite
) -> None:
    begun = [azure.ensure_on(site.add_server(["system"])) for _ in range(30)]
    ids = [each.id for each in begun if each]
    site.advance(60)
    before = len(site.calls())
    states = [azure.progress(ids)[id_].state for id_ in ids[:1]]
    assert len(site.calls()) - before <= 1 + MOST_ENDED
    found = azure.progress(ids)
    left = [id_ for id_, progress in found.items() if progress.state == Progress.RUNNING]
    assert states == ["done"]
    assert len(left) == 30 - MOST_ENDED
    assert {progress.state for progress in azure.progress(left).values()} == {"done"}
