"""/metrics of a real server: whichever of its processes is asked, all of them are counted."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families


def test_the_processes_of_a_server_are_counted_together(
    process_environment: dict[str, str], started: list[subprocess.Popen[bytes]]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread", "--workers", "2", "--threads", "2", "--no-control-socket",
    ]  # fmt: skip
    environment = process_environment | {"METRICS_TOKEN": "right"}
    server = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    started.append(server)
    url = f"http://127.0.0.1:{port}"
    _wait_for_two_workers(server)
    for _ in range(40):
        assert requests.get(f"{url}/healthz", timeout=20).status_code == 200
    answer = requests.get(f"{url}/metrics", headers={"Authorization": "Bearer right"}, timeout=20)
    labels = (("method", "GET"), ("status", "2xx"), ("view", "portal:healthz"))
    families = text_string_to_metric_families(answer.text)
    counted = {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "standby_request_duration_seconds_count"
    }
    assert counted[labels] == 40
    (folder,) = (Path(environment["STANDBY_DATA_DIR"]) / "metrics").iterdir()
    assert folder.name.endswith(f"-{server.pid}")
    assert list(folder.glob("histogram_*.db"))
    # Killed, it would leave its workers for a second or so.
    server.send_signal(signal.SIGQUIT)
    server.wait(timeout=30)


def _wait_for_two_workers(server: subprocess.Popen[bytes]) -> None:
    assert server.stderr
    booted = 0
    for line in server.stderr:
        booted += b"Booting worker" in line
        if booted == 2:
            return
    raise AssertionError("gunicorn ended")
