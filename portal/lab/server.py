"""HTTPS for the lab: one port a cluster, TLS by a private CA."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import trustme
import uvicorn

from portal.lab.clock import Clock
from portal.lab.faults import Fault, Faults
from portal.lab.prism.cluster import LabTask, PrismCluster, Refusal, Vm

BASES = re.compile(r"^/(PrismGateway/services/rest|api/nutanix)/(v2\.0|v1|v3|v0\.8)")


@dataclass
class Call:
    cluster: str
    method: str
    path: str
    status: int
    at: datetime
    body: Any


@dataclass
class Lab:
    clock: Clock = field(default_factory=Clock)
    clusters: dict[str, PrismCluster] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    calls: list[Call] = field(default_factory=list)
    sessions: dict[str, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def empty(cls) -> Lab:
        lab = cls()
        for name in ("ahv-lon-01", "ahv-dub-02"):
            lab.clusters[name] = PrismCluster(name, lab.clock)
        return lab


def vm_json(vm: Vm, disks: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "uuid": vm.uuid, "name": vm.name, "description": vm.description,
        "power_state": vm.power_state, "num_vcpus": vm.vcpus, "num_cores_per_vcpu": vm.cores,
        "memory_mb": vm.memory_mb, "host_uuid": None, "timezone": "UTC",
    }  # fmt: skip
    if disks:
        data["vm_disk_info"] = [
            {
                "disk_address": {
                    "device_bus": d.bus, "device_index": d.index, "disk_label": d.address,
                    "vmdisk_uuid": d.uuid,
                },
                "is_cdrom": False, "is_empty": False, "size": d.size_bytes,
                "storage_container_uuid": d.container,
                "source_disk_address": {"vmdisk_uuid": d.source} if d.source else None,
            }
            for d in vm.disks
        ]  # fmt: skip
    return data


def task_json(task: LabTask, now: int) -> dict[str, Any]:
    percent = 100 if task.status == "Succeeded" else 0
    if task.status == "Running" and task.start is not None and task.seconds:
        percent = min(99, int((now - task.start) / (task.seconds * 1e4)))
    return {
        "uuid": task.uuid, "operation_type": task.operation, "progress_status": task.status,
        "percentage_complete": percent, "create_time_usecs": task.created,
        "start_time_usecs": task.start, "complete_time_usecs": task.end if percent == 100 else None,
        "entity_list": [{"entity_type": t, "entity_id": e, "entity_name": None} for t, e in task.entities],
        "meta_response": {"error_code": 0 if not task.detail else 1, "error_detail": task.detail},
    }  # fmt: skip


def envelope(entities: list[Any]) -> dict[str, Any]:
    return {
        "metadata": {"total_entities": len(entities), "count": len(entities)},
        "entities": entities,
    }


class App:
    """The ASGI app of one cluster."""

    def __init__(self, lab: Lab, cluster: PrismCluster) -> None:
        self.lab, self.cluster = lab, cluster

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        raw = b""
        while True:
            message = await receive()
            raw += message.get("body", b"")
            if not message.get("more_body"):
                break
        method = scope["method"]
        path = unquote(scope["raw_path"].decode().partition("?")[0])
        transport = send.__self__.transport
        body = json.loads(raw) if raw.strip() else None
        query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        if path.startswith("/.lab/"):
            await self._send(send, 200, self._control(method, path, body))
            return
        fault = self.lab.faults.strike(self.cluster.name, method, path)
        kind = fault.kind if fault else ""
        if fault and kind == "hang":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if fault and kind in ("status", "html"):
            self._log(method, path, fault.status if kind == "status" else 502, body)
            await self._fault_answer(send, fault)
            return
        if kind == "drop_before" or (fault and kind == "call" and fault.when == "before"):
            if fault and fault.callback:
                await asyncio.to_thread(fault.callback)
            transport.abort()
            return
        fails = (fault.detail or "failed by the lab") if fault and kind == "task_failed" else ""
        refused_cookie = kind == "expired_cookie" and "cookie" in headers
        status, answer, extra = self._answer(
            method, path, query, body, headers, fails, refused_cookie
        )
        self._log(method, path, status, body)
        if kind == "drop_after" or kind == "call":
            if fault and fault.callback:
                await asyncio.to_thread(fault.callback)
            transport.abort()
            return
        await self._send(send, status, answer, extra)

    def _log(self, method: str, path: str, status: int, body: Any) -> None:
        self.lab.calls.append(
            Call(self.cluster.name, method, path, status, self.lab.clock.now(), body)
        )

    async def _fault_answer(self, send: Any, fault: Fault) -> None:
        if fault.kind == "html":
            await self._send_raw(send, 502, b"<html><body>Bad Gateway</body></html>", "text/html")
            return
        extra = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        error = fault.body or _error(f"Injected fault {fault.status}")
        await self._send(send, fault.status, error, extra)

    def _answer(
        self, method: str, path: str, query: dict[str, str], body: Any, headers: dict[str, str],
        fails: str, refused_cookie: bool,
    ) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
        with self.lab.lock:
            self.cluster.settle()
            extra, ok = self._auth(headers, refused_cookie)
            if not ok:
                return 401, _error("Authentication required"), {}
            try:
                status, answer = self._route(method, path, query, body or {}, fails)
            except Refusal as refusal:
                status = refusal.status if self.cluster.dialect.errors == "4xx" else 500
                answer = _error(str(refusal))
            return status, answer, extra

    def _auth(self, headers: dict[str, str], refused: bool) -> tuple[dict[str, str], bool]:
        found = re.search(r"JSESSIONID=(\w+)", headers.get("cookie", ""))
        if found and not refused and found[1] in self.lab.sessions:
            return {}, True
        wanted = base64.b64encode(b"admin:lab-password").decode()
        if headers.get("authorization", "") != f"Basic {wanted}":
            return {}, False
        session = uuid.uuid4().hex
        self.lab.sessions[session] = 1
        return {"Set-Cookie": f"JSESSIONID={session}; Path=/; Secure; HttpOnly"}, True

    def _route(
        self, method: str, path: str, query: dict[str, str], body: Any, fails: str
    ) -> tuple[int, Any]:
        cluster, now = self.cluster, self.lab.clock.now_usecs()
        parts = BASES.sub("", path).strip("/").split("/")
        disks = query.get("include_vm_disk_config", "").lower() == "true"
        match method, parts:
            case "GET", ["cluster"]:
                return 200, {
                    "uuid": cluster.uuid,
                    "name": cluster.name,
                    "version": "6.5.2",
                    "hypervisor_types": ["kKvm"],
                    "num_nodes": 3,
                }
            case "GET", ["vms"]:
                vms = list(cluster.vms.values())
                wanted = query.get("filter", "")
                if wanted.startswith("vm_name=="):
                    vms = [vm for vm in vms if vm.name == wanted.removeprefix("vm_name==")]
                return 200, envelope([vm_json(vm, disks) for vm in vms])
            case "GET", ["vms", key]:
                return 200, vm_json(cluster.vm(key), disks)
            case "PUT", ["vms", key]:
                return 200, cluster.update(key, body, fails)
            case "DELETE", ["vms", key]:
                return 201, cluster.delete(key, fails)
            case "POST", ["vms", key, "set_power_state"]:
                return 201, cluster.set_power(key, body["transition"], fails)
            case "POST", ["vms", key, "clone"]:
                return 201, cluster.clone(key, body, fails)
            case "POST", ["vms", key, "disks", "detach"]:
                return 201, cluster.detach(key, body, fails)
            case "POST", ["vms", key, "disks", "attach"]:
                return 201, cluster.attach(key, body, fails)
            case "GET", ["volume_groups"]:
                return 200, envelope([])
            case "GET", ["tasks", key]:
                if key not in cluster.tasks:
                    raise Refusal(404, f"Task {key} not found")
                return 200, task_json(cluster.tasks[key], now)
            case "POST", ["tasks", "poll"]:
                ended = [
                    cluster.tasks[t]
                    for t in body["completed_tasks"]
                    if t in cluster.tasks and cluster.tasks[t].status in ("Succeeded", "Failed")
                ]
                return 200, {
                    "completed_tasks_info": [task_json(t, now) for t in ended],
                    "timed_out": not ended,
                }
            case "POST", ["tasks", "list"]:
                some = [
                    t
                    for t in cluster.tasks.values()
                    if body.get("include_completed") or t.status in ("Queued", "Running")
                ]
                return 200, envelope([task_json(t, now) for t in some])
        raise Refusal(404, f"No such resource: {path}")

    def _control(self, method: str, path: str, body: Any) -> Any:
        if path == "/.lab/clock":
            if body and "advance" in body:
                self.lab.clock.advance(body["advance"])
            return {"now": self.lab.clock.now().isoformat(), "scale": self.lab.clock.scale}
        return {}

    async def _send(
        self, send: Any, status: int, answer: Any, extra: dict[str, str] | None = None
    ) -> None:
        await self._send_raw(send, status, json.dumps(answer).encode(), "application/json", extra)

    async def _send_raw(
        self, send: Any, status: int, data: bytes, kind: str, extra: dict[str, str] | None = None
    ) -> None:
        headers = [
            (b"content-type", kind.encode()),
            (b"x-ntnx-env", b"PE"),
            (b"content-length", str(len(data)).encode()),
        ]
        headers += [(k.encode(), v.encode()) for k, v in (extra or {}).items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})


def _error(message: str) -> dict[str, Any]:
    return {
        "message": message,
        "detailed_message": None,
        "error_code": {"code": 1202, "help_url": "http://my.nutanix.com"},
    }


class LabServer:
    """Serves a lab in a thread."""

    def __init__(self, lab: Lab, ports: dict[str, int] | None = None, *, directory: Path) -> None:
        self.lab, self.ports, self.directory = lab, ports or {}, Path(directory)
        self.urls: dict[str, str] = {}

    def __enter__(self) -> LabServer:
        self.directory.mkdir(parents=True, exist_ok=True)
        ca = trustme.CA()
        cert = ca.issue_cert("127.0.0.1", "localhost")
        self.ca_path = self.directory / "ca.pem"
        self.ca_pem = ca.cert_pem.bytes().decode()
        self.ca_path.write_text(self.ca_pem)
        key = self.directory / "server.pem"
        cert.private_key_and_cert_chain_pem.write_to_path(str(key))
        self._servers, sockets = [], []
        for name, cluster in self.lab.clusters.items():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", self.ports.get(name, 0)))
            self.urls[name] = f"https://127.0.0.1:{sock.getsockname()[1]}"
            config = uvicorn.Config(
                App(self.lab, cluster), ssl_certfile=str(key), ssl_keyfile=str(key), log_level="critical",
                lifespan="off", ws="none", http="h11", timeout_graceful_shutdown=1, access_log=False,
            )  # fmt: skip
            self._servers.append(uvicorn.Server(config))
            sockets.append(sock)
        self._thread = threading.Thread(target=self._run, args=(sockets,), daemon=True)
        self._thread.start()
        while not all(server.started for server in self._servers):
            threading.Event().wait(0.005)
        return self

    def _run(self, sockets: list[socket.socket]) -> None:
        async def main() -> None:
            await asyncio.gather(
                *(s._serve([sock]) for s, sock in zip(self._servers, sockets, strict=True))
            )

        asyncio.run(main())

    def __exit__(self, *args: object) -> None:
        for server in self._servers:
            server.should_exit = True
            server.force_exit = True
        self._thread.join(5)
