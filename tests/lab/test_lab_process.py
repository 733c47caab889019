"""`python -m portal.lab` as it is really run: ready, killed, started again, told to end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

Processes = list[subprocess.Popen[bytes]]
REST = "/api/nutanix/v2.0"


@dataclass
class RunningLab:
    """A lab in a process of its own, and where its London cluster answers."""

    process: subprocess.Popen[bytes]
    url: str
    ca_path: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(
            method, self.url + path, json=body, auth=("admin", "lab-password"),
            verify=str(self.ca_path), timeout=10,
        )  # fmt: skip
        answer.raise_for_status()
        return answer.json()

    def machines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"{REST}/vms")["entities"]
        return found


def command(directory: Path, *options: str) -> list[str]:
    state = ["--state", str(directory / "state.sqlite3")]
    return [sys.executable, "-m", "portal.lab", "--directory", str(directory), *state, *options]


def start(started: Processes, directory: Path) -> RunningLab:
    """Start a lab whose clock moves by jumps only; return once it says that it is ready."""
    process = subprocess.Popen(
        command(directory, "--ports", "0,0,0", "--scale", "0"), stdout=subprocess.PIPE
    )
    started.append(process)
    assert process.stdout is not None
    ready = process.stdout.readline().decode()
    found = re.search(r"ahv-lon-01 at (https://127\.0\.0\.1:\d+)", ready)
    assert found, f"not a ready line: {ready!r}"
    return RunningLab(process, found[1], directory / "ca.pem")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_lab_cleanly(
    number: signal.Signals, started: Processes, tmp_path: Path
) -> None:
    lab = start(started, tmp_path)
    assert lab.machines()
    lab.process.send_signal(number)
    assert lab.process.wait(timeout=5) == 0


def test_a_task_outlives_a_lab_that_is_killed(started: Processes, tmp_path: Path) -> None:
    lab = start(started, tmp_path)
    authority, before = lab.ca_path.read_bytes(), lab.machines()
    source = next(vm["uuid"] for vm in before if vm["power_state"] == "off")
    body = {"spec_list": [{"name": "survivor"}]}
    task = lab.call("POST", f"{REST}/vms/{source}/clone", body)["task_uuid"]
    lab.process.kill()
    lab.process.wait()

    again = start(started, tmp_path)
    assert again.ca_path.read_bytes() == authority
    again.call("POST", "/.lab/clock", {"advance": 60})
    assert again.call("GET", f"{REST}/tasks/{task}")["progress_status"] == "Succeeded"
    names = sorted(vm["name"] for vm in again.machines())
    assert names == sorted([*(vm["name"] for vm in before), "survivor"])


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = f"{taken.getsockname()[1]},0,0"
        ended = subprocess.run(
            command(tmp_path, "--ports", ports), capture_output=True, timeout=10, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.decode().count("\n") == 1
    assert "can not start" in ended.stderr.decode()
