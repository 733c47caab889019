"""A fresh lab for each test, served over TLS, and a client of each cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from portal.lab import Lab, LabServer, PrismCluster

LON, DUB = "ahv-lon-01", "ahv-dub-02"
BASE = "/PrismGateway/services/rest/v2.0"
V1 = "/PrismGateway/services/rest/v1"
GIB = 2**30


@dataclass
class Client:
    """A signed-in client of one cluster, and the cluster itself."""

    server: LabServer
    name: str
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.http.trust_env = False
        self.http.verify = str(self.server.ca_path)
        self.http.auth = ("admin", "lab-password")

    @property
    def lab(self) -> Lab:
        return self.server.lab

    @property
    def cluster(self) -> PrismCluster:
        return self.lab.clusters[self.name]

    def url(self, path: str, base: str = BASE) -> str:
        return f"{self.server.urls[self.name]}{base}{path}"

    def ask(
        self, method: str, path: str, body: Any = None, *, base: str = BASE, **query: Any
    ) -> requests.Response:
        """Call; the answer may be anything."""
        return self.http.request(
            method, self.url(path, base), json=body, params=query, timeout=5, allow_redirects=False
        )

    def get(self, path: str, **query: Any) -> Any:
        """GET; the JSON of a 200."""
        answer = self.ask("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def list(self, path: str, **query: Any) -> list[Any]:
        """The entities of a collection."""
        return list(self.get(path, **query)["entities"])

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Change something; the JSON of a success, None when it is empty."""
        answer = self.ask(method, path, body, **query)
        assert answer.status_code in {200, 201, 204}, answer.text
        return answer.json() if answer.content else None

    def run(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Change something and let its task end well; return the task."""
        task = self.wait(self.send(method, path, body, **query)["task_uuid"])
        assert task["progress_status"] == "Succeeded", task
        return task

    def wait(self, uuid: str) -> Any:
        """Let lab time pass until a task has ended."""
        for _ in range(30):
            task = self.get(f"/tasks/{uuid}")
            if task["complete_time_usecs"] is not None:
                return task
            self.lab.clock.advance(5)
        raise AssertionError(f"the task did not end: {task}")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API."""
        answer = self.ask(method, path, body, base="/.lab")
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()


@pytest.fixture
def lab() -> Lab:
    """Two clusters without machines."""
    return Lab.empty()


@pytest.fixture
def server(lab: Lab, lab_directory: Path) -> Iterator[LabServer]:
    with LabServer(lab, directory=lab_directory) as server:
        yield server


@pytest.fixture
def lon(server: LabServer) -> Iterator[Client]:
    client = Client(server, LON)
    with client.http:
        yield client


@pytest.fixture
def dub(server: LabServer) -> Iterator[Client]:
    client = Client(server, DUB)
    with client.http:
        yield client
