"""The cluster itself, hosts, containers, vstores, networks (reference 2)."""

from __future__ import annotations

from portal.lab.prism import wire
from portal.lab.prism.cluster import V1, V2, V3, PrismCluster
from portal.lab.prism.model import Container, Host, Vm, VolumeGroup, new_uuid
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request


def _cluster(cluster: PrismCluster) -> Json:
    identity = cluster.identity
    return {
        "id": f"{identity.uuid}::1",
        "uuid": identity.uuid,
        "cluster_uuid": identity.uuid,
        "name": cluster.name,
        "version": identity.version,
        "full_version": f"el7.3-release-fraser-{identity.version}-stable",
        "num_nodes": len(cluster.hosts),
        "hypervisor_types": [identity.hypervisor],
        "block_serials": ["LAB0001"],
        "timezone": identity.timezone,
        "operation_mode": "Normal",
        "storage_type": "mixed",
        "is_upgrade_in_progress": identity.is_upgrading,
        "cluster_external_ipaddress": identity.address,
        "cluster_external_data_services_ipaddress": None,
        "name_servers": [],
        "ntp_servers": [],
        "rackable_units": [],
        "stats": {"hypervisor_cpu_usage_ppm": "-1"},
        "usage_stats": {name: str(number) for name, number in _usage(cluster).items()},
    }


@V2("GET", "/cluster")
def cluster_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_cluster(cluster))


@V2("GET", "/clusters")
def cluster_list(cluster: PrismCluster, request: Request) -> Answer:
    return wire.page([_cluster(cluster)], request)


@V2("GET", "/clusters/{uuid}")
def cluster_by_uuid(cluster: PrismCluster, request: Request) -> Answer:
    if request["uuid"].partition("::")[0] != cluster.identity.uuid:
        raise Refusal(f"Cluster {request['uuid']} does not exist", 404)
    return Answer(_cluster(cluster))


@V2("GET", "/cluster/name_servers")
def name_servers(cluster: PrismCluster, request: Request) -> Answer:
    return Answer([])


@V3("GET", "/users/me")
def users_me(cluster: PrismCluster, request: Request) -> Answer:
    """What some clients probe first, for its header ``X-Ntnx-Env`` (11)."""
    user = {"name": "admin", "kind": "user"}
    return Answer({"api_version": "3.1", "metadata": user, "status": {"name": "admin"}})


# Hosts


def _host(cluster: PrismCluster, host: Host) -> Json:
    return {
        "uuid": host.uuid,
        "name": host.name,
        "hypervisor_address": host.address,
        "hypervisor_type": cluster.identity.hypervisor,
        "hypervisor_full_name": "Nutanix 20220304.488",
        "service_vmid": f"{cluster.identity.uuid}::1",
        "service_vmexternal_ip": host.address,
        "num_vms": sum(vm.host_uuid == host.uuid for vm in cluster.vms.values()),
        "num_cpu_sockets": 2,
        "num_cpu_cores": 32,
        "num_cpu_threads": 64,
        "cpu_capacity_in_hz": 32 * 2_900_000_000,
        "memory_capacity_in_bytes": 512 * 2**30,
        "state": "NORMAL",
        "host_in_maintenance_mode": False,
        "is_degraded": False,
        "cluster_uuid": cluster.identity.uuid,
        "boot_time_in_usecs": 0,
        "stats": {},
        "usage_stats": {},
    }


@V2("GET", "/hosts")
def host_list(cluster: PrismCluster, request: Request) -> Answer:
    return wire.page([_host(cluster, host) for host in cluster.hosts.values()], request)


@V2("GET", "/hosts/{uuid}")
def host_detail(cluster: PrismCluster, request: Request) -> Answer:
    if request["uuid"] not in cluster.hosts:
        raise Refusal(f"Host {request['uuid']} does not exist", 404)
    return Answer(_host(cluster, cluster.hosts[request["uuid"]]))


# Containers and vstores


def _used(cluster: PrismCluster, container: str | None = None) -> int:
    holders: list[Vm | VolumeGroup] = [*cluster.vms.values(), *cluster.volume_groups.values()]
    return sum(
        disk.size_bytes
        for holder in holders
        for disk in holder.disks
        if container in (None, disk.container)
    )


def _usage(cluster: PrismCluster) -> dict[str, int]:
    """Containers share one pool: each may grow to all of it, and so may the cluster."""
    capacity = max((each.capacity_bytes for each in cluster.containers.values()), default=-1)
    used = _used(cluster)
    return {
        "storage.capacity_bytes": capacity,
        "storage.usage_bytes": used,
        "storage.free_bytes": max(0, capacity - used) if capacity >= 0 else -1,
    }


def _container(cluster: PrismCluster, container: Container) -> Json:
    used = _used(cluster, container.uuid)
    free = max(0, container.capacity_bytes - used)
    stats = {
        "storage.capacity_bytes": container.capacity_bytes,
        "storage.user_capacity_bytes": container.capacity_bytes,
        "storage.usage_bytes": used,
        "storage.free_bytes": free,
        "storage.user_free_bytes": free,
    }
    return {
        "replication_factor": 2,
        "oplog_replication_factor": 2,
        "advertised_capacity": None,
        "total_explicit_reserved_capacity": 0,
        "total_implicit_reserved_capacity": 0,
        "compression_enabled": True,
        "compression_delay_in_secs": 0,
        "erasure_code": "off",
        "finger_print_on_write": "off",
        "on_disk_dedup": "OFF",
        "nfs_whitelist": [],
        **container.other,
        "id": f"{cluster.identity.uuid}::{container.uuid}",
        "storage_container_uuid": container.uuid,
        "name": container.name,
        "cluster_uuid": cluster.identity.uuid,
        "max_capacity": container.capacity_bytes,
        "vstore_name_list": [container.name],
        "mapped_remote_containers": {},
        "marked_for_removal": False,
        "usage_stats": {name: str(number) for name, number in stats.items()},
    }


@V2("GET", "/storage_containers")
def container_list(cluster: PrismCluster, request: Request) -> Answer:
    return wire.page([_container(cluster, each) for each in cluster.containers.values()], request)


@V2("GET", "/storage_containers/{uuid}")
def container_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_container(cluster, _find_container(cluster, request["uuid"])))


def _find_container(cluster: PrismCluster, key: str) -> Container:
    """Containers are addressed by uuid, or by the ``id`` that ends with it."""
    uuid = key.rpartition("::")[2]
    if uuid not in cluster.containers:
        raise Refusal(f"Storage container {key} does not exist", 404)
    return cluster.containers[uuid]


@V2("POST", "/storage_containers")
def container_create(cluster: PrismCluster, request: Request) -> Answer:
    name = request.text("name")
    if any(each.name == name for each in cluster.containers.values()):
        raise Refusal(f"Storage container {name} already exists")
    spec = {key: value for key, value in request.object.items() if value is not None}
    container = Container(new_uuid(), name, other=spec)
    cluster.containers[container.uuid] = container
    return Answer({"value": True}, 201)


@V2("DELETE", "/storage_containers/{uuid}")
def container_delete(cluster: PrismCluster, request: Request) -> Answer:
    container = _find_container(cluster, request["uuid"])
    if _used(cluster, container.uuid):
        raise Refusal(f"Storage container {container.name} is not empty")
    del cluster.containers[container.uuid]
    return wire.done(cluster, is_delete=True)


def _vstore(cluster: PrismCluster, container: Container) -> Json:
    return {
        "id": container.uuid,
        "name": container.name,
        "uuid": container.uuid,
        "storage_container_id": container.uuid,
        "storage_container_uuid": container.uuid,
        "protection_domain": None,
        "backedup": False,
        "is_backup": False,
        "vm_level_consistent": False,
        "marked_for_removal": False,
    }


@V2("GET", "/vstores")
def vstore_list(cluster: PrismCluster, request: Request) -> Answer:
    return wire.listing([_vstore(cluster, each) for each in cluster.containers.values()], request)


@V2("GET", "/vstores/{uuid}")
def vstore_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(_vstore(cluster, _find_container(cluster, request["uuid"])))


@V2("GET", "/networks")
def network_list(cluster: PrismCluster, request: Request) -> Answer:
    shown = [
        {"uuid": network.uuid, "name": network.name, "vlan_id": network.vlan}
        for network in cluster.networks.values()
    ]
    return wire.listing(shown, request)


@V1("GET", "/cluster")
def cluster_v1(cluster: PrismCluster, request: Request) -> Answer:
    """The v1 cluster object, camelCase: name, uuid and version only."""
    identity = cluster.identity
    return Answer({"uuid": identity.uuid, "name": cluster.name, "version": identity.version})
