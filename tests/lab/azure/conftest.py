"""A signed-in client of the emulated Azure; every answer is held to the schema of its call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient

from portal.lab import Lab, LabServer
from portal.lab.azure import AzureCloud
from portal.lab.azure.model import CLIENT, GROUP, SECRET, SUBSCRIPTION, TENANT
from tests.lab.azure.schemas_check import Checker, checked

VERSION = "2026-03-02"
AT_SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION}"
AT_GROUP = f"{AT_SUBSCRIPTION}/resourceGroups/{GROUP}"
COMPUTE = f"{AT_GROUP}/providers/Microsoft.Compute"


@dataclass
class Client:
    """A signed-in client of the lab's Azure, and what is behind it."""

    server: LabServer
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.http.trust_env = False
        self.http.verify = str(self.server.ca_path)

    @property
    def lab(self) -> Lab:
        return self.server.lab

    @property
    def cloud(self) -> AzureCloud:
        return self.lab.azure

    @property
    def base(self) -> str:
        return self.server.urls["azure"]

    def token(self, secret: str = SECRET, client: str = CLIENT, tenant: str = TENANT) -> Any:
        """Ask for a token; the answer may be a refusal."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_secret": secret,
            "scope": "https://management.azure.com/.default",
        }
        return self.http.post(f"{self.base}/{tenant}/oauth2/v2.0/token", data=form, timeout=5)

    def sign_in(self) -> None:
        """Carry a token from now on."""
        granted = self.token().json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {granted}"

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        """Call; the answer may be anything. ``path`` may be a whole URL."""
        url = path if path.startswith("https://") else f"{self.base}{path}"
        query = {} if "api-version=" in url else {"api-version": VERSION, **query}
        return self.http.request(method, url, json=body, params=query, timeout=5)

    def get(self, path: str, **query: Any) -> Any:
        """GET; the JSON of a 200."""
        answer = self.ask("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def list(self, path: str, **query: Any) -> list[Any]:
        """Every item of a list, page after page."""
        found: list[Any] = []
        page = self.get(path, **query)
        while True:
            found += page["value"]
            if "nextLink" not in page:
                return found
            page = self.get(page["nextLink"])

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """Call; the status and the code of the refusal."""
        answer = self.ask(method, path, body, **query)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["error"]["code"]

    def why(self, method: str, path: str, body: Any = None, **query: Any) -> str:
        """Call; the words of the refusal."""
        answer = self.ask(method, path, body, **query)
        assert answer.status_code >= 400, answer.text
        return str(answer.json()["error"]["message"])

    def run(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Change something and let its operation end well; return the operation."""
        started = self.ask(method, path, body, **query)
        ended = self.follow(started)
        assert ended["status"] == "Succeeded", ended
        assert self.ask("GET", started.headers["Location"]).status_code in {200, 204}
        return ended

    def follow(self, answer: requests.Response) -> Any:
        """Let lab time pass until the operation that was started has ended; return it."""
        assert answer.status_code in {200, 201, 202}, answer.text
        url = answer.headers["Azure-AsyncOperation"]
        for _ in range(30):
            found = self.get(url)
            if found["status"] != "InProgress":
                return found
            self.lab.clock.advance(5)
        raise AssertionError(f"the operation did not end: {found}")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API."""
        answer = self.http.request(method, f"{self.base}/.lab{path}", json=body, timeout=5)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()


@pytest.fixture(autouse=True)
def check(lab: Lab) -> Iterator[Checker]:
    """What every answer of the lab is held to."""
    with checked(lab) as check:
        yield check


@pytest.fixture
def azure(server: LabServer, check: Checker) -> Iterator[Client]:
    client = Client(server)
    with client.http:
        client.sign_in()
        yield client


@pytest.fixture
def sdk(server: LabServer, check: Checker) -> Iterator[ComputeManagementClient]:
    """The real SDK, unmodified; without its own repeats, so that a test sees each answer."""
    base, ca = server.urls["azure"], str(server.ca_path)
    options: dict[str, Any] = {
        "connection_verify": ca, "connection_timeout": 5, "read_timeout": 5, "retry_total": 0,
    }  # fmt: skip
    with (
        ClientSecretCredential(
            TENANT, CLIENT, SECRET, authority=base, disable_instance_discovery=True, **options
        ) as credential,
        ComputeManagementClient(
            credential,
            SUBSCRIPTION,
            base_url=base,
            credential_scopes=["https://management.azure.com/.default"],
            polling_interval=0,
            **options,
        ) as client,
    ):
        yield client
