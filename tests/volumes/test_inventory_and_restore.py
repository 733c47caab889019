"""A restored profile has a new id at its cloud; to us it is the same, whenever we look."""

from __future__ import annotations

import pytest

from backups import services
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import Account, CloudAccount, Infrastructure, Resource, Task
from portal.services import cloud_accounts
from tests.clock import JumpClock
from tests.factories import AccountFactory
from tests.people import World

USER = "sofia.lindqvist@meridian.example"
AHV_SECRETS = {"user": "admin", "password": "lab-password"}
AZURE_SECRETS = {
    "tenant": "11111111-1111-4111-8111-111111111111",
    "subscription": "33333333-3333-4333-8333-333333333333",
    "client_id": "22222222-2222-4222-8222-222222222222",
    "client_secret": "lab-secret",
}


def _account(world: World, lab: Lab, server: LabServer, kind: str) -> Account:
    """An account at the lab with one profile there."""
    is_azure = kind == Infrastructure.AZURE
    url = server.urls["azure" if is_azure else "ahv-lon-01"]
    if is_azure:
        tags = {"frame-kind": "enterprise-profile", "frame-user": USER}
        lab.azure.add_disk("EP-sofia", tags=tags)
    else:
        said = f"frame: kind=enterprise-profile user={USER}"
        lab.clusters["ahv-lon-01"].add_volume_group("EP-sofia", description=said)
    cloud_account = cloud_accounts.create_cloud_account(
        SYSTEM, customer=world.customer, name="lab", endpoint=url, kind=kind,
        secrets=AZURE_SECRETS | {"authority": url} if is_azure else AHV_SECRETS,
        ca_pem=server.ca_pem,
    )  # fmt: skip
    made: Account = AccountFactory(
        organization=world.organization, cloud_account=cloud_account, infrastructure=kind,
        site="westeurope" if is_azure else "lab",
    )  # fmt: skip
    return made


def _look(cloud_account: CloudAccount) -> None:
    """Ask for a synchronisation, unless one is under way."""
    if not Task.objects.active().filter(kind="sync_inventory").exists():
        cloud_accounts.synchronise(SYSTEM, cloud_account)


@pytest.mark.parametrize("kind", [Infrastructure.AHV, Infrastructure.AZURE])
@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_the_inventory_may_look_at_any_moment_of_a_restore(
    world: World, lab: Lab, lab_server: LabServer, kind: str, seconds: float
) -> None:
    account = _account(world, lab, lab_server, kind)
    cloud_account = account.cloud_account
    assert cloud_account is not None
    clock = JumpClock(lab.clock.advance)
    clock.time = lab.clock.now()

    def run(seconds: float = 3600) -> None:
        Runner(clock=clock, threads=4).run(seconds=seconds)

    _look(cloud_account)
    run()
    cloud_account.refresh_from_db()
    # How full a cluster is, is kept beside it; a region has no end.
    assert (cloud_account.storage_capacity_bytes is None) == (kind == Infrastructure.AZURE)
    row = account.resources.volumes().get()
    backup = services.create_volume_backup(SYSTEM, row, name="Before")
    run()
    row.refresh_from_db()
    backup.refresh_from_db()
    assert backup.is_ready, backup.error
    task = services.restore_backup(SYSTEM, backup)
    looks = 0
    while task.is_active:
        _look(cloud_account)
        run(seconds)
        clock.advance(seconds)
        looks += 1
        assert account.resources.volumes().get().pk == row.pk
        task.refresh_from_db()
    assert task.state == Task.State.DONE, task.error
    assert looks > 2
    for _ in range(2):
        _look(cloud_account)
        run()
        again = account.resources.volumes().get()
        assert (again.pk, again.name, again.is_missing) == (row.pk, "EP-sofia", False)
        assert again.external_id != row.external_id
        assert Resource.objects.volumes().count() == 1
