"""The token endpoint, and what calls without a good token or api-version are told."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

from portal.lab import Fault, Lab, LabServer
from portal.lab.azure.model import CLIENT, SECRET, TENANT
from tests.lab.azure.conftest import AT_SUBSCRIPTION, COMPUTE, Client

DISKS = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/disks"


def test_the_metadata_lead_to_the_token_endpoint_of_this_place(azure: Client) -> None:
    url = f"{azure.base}/{TENANT}/v2.0/.well-known/openid-configuration"
    found = azure.http.get(url, params={"client-request-id": "x"}, timeout=5).json()
    assert found["token_endpoint"] == f"{azure.base}/{TENANT}/oauth2/v2.0/token"
    for key in ("authorization_endpoint", "issuer"):
        assert found[key].startswith(azure.base)


def test_a_token_is_signed_and_says_for_whom_it_is(azure: Client) -> None:
    granted = azure.token().json()
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 3600)
    head, body, _ = granted["access_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert (claims["appid"], claims["tid"]) == (CLIENT, TENANT)
    assert claims["aud"] == "https://management.azure.com"
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize(
    ("wrong", "status", "number", "error"),
    [
        ({"secret": "guess"}, 401, 7000215, "invalid_client"),
        ({"client": "99999999-9999-4999-8999-999999999999"}, 400, 700016, "unauthorized_client"),
        ({"tenant": "99999999-9999-4999-8999-999999999999"}, 400, 90002, "invalid_request"),
    ],
)
def test_wrong_credentials_are_told_apart(
    azure: Client, wrong: dict[str, str], status: int, number: int, error: str
) -> None:
    answer = azure.token(**wrong)
    body = answer.json()
    assert answer.status_code == status
    assert body["error"] == error
    assert body["error_codes"] == [number]
    assert body["error_description"].startswith(f"AADSTS{number}: ")


def test_a_secret_that_has_expired_is_not_a_wrong_one(azure: Client) -> None:
    azure.cloud.access.is_secret_expired = True
    assert azure.token().json()["error_codes"] == [7000222]
    assert azure.token(secret="guess").json()["error_codes"] == [7000215]


def test_only_client_credentials_are_granted(azure: Client) -> None:
    url = f"{azure.base}/{TENANT}/oauth2/v2.0/token"
    answer = azure.http.post(url, data={"grant_type": "password", "client_id": CLIENT}, timeout=5)
    assert answer.json()["error"] == "unsupported_grant_type"


def _none(azure: Client, good: str) -> dict[str, str | None]:
    return {"Authorization": None}


def _basic(azure: Client, good: str) -> dict[str, str | None]:
    return {"Authorization": "Basic bGFiOmxhYg=="}


def _nonsense(azure: Client, good: str) -> dict[str, str | None]:
    return {"Authorization": "Bearer nonsense"}


def _forged(azure: Client, good: str) -> dict[str, str | None]:
    head, body, seal = good.split(".")
    more = json.loads(base64.urlsafe_b64decode(body + "==")) | {"exp": 9_999_999_999}
    body = base64.urlsafe_b64encode(json.dumps(more).encode()).rstrip(b"=").decode()
    return {"Authorization": f"Bearer {head}.{body}.{seal}"}


@pytest.mark.parametrize("make", [_none, _basic, _nonsense, _forged])
def test_without_a_token_of_ours_nothing_is_shown(
    azure: Client, make: Callable[[Client, str], dict[str, str | None]]
) -> None:
    headers = make(azure, azure.token().json()["access_token"])
    url = f"{azure.base}{DISKS}?api-version=2026-03-02"
    answer = azure.http.get(url, headers=headers, timeout=5)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.json()["error"]["code"] in {"AuthenticationFailed", "InvalidAuthenticationToken"}


def test_a_token_ends_with_its_time(azure: Client) -> None:
    azure.lab.clock.advance(3590)
    azure.get(DISKS)
    azure.lab.clock.advance(11)
    assert azure.refused("GET", DISKS) == (401, "ExpiredAuthenticationToken")
    azure.sign_in()
    azure.get(DISKS)


def test_a_fault_ends_every_token_and_the_next_one_is_good(azure: Client) -> None:
    azure.lab.faults.add(Fault("expired_session"))
    assert azure.refused("GET", DISKS) == (401, "ExpiredAuthenticationToken")
    assert azure.refused("GET", DISKS) == (401, "InvalidAuthenticationToken")
    azure.sign_in()
    azure.get(DISKS)


@pytest.mark.parametrize(
    "version", ["2016-09-01", "2019-04-01", "2022-11-01", "2026-04-01", "2099-01-01-preview"]
)
def test_any_well_formed_version_is_good(azure: Client, version: str) -> None:
    azure.get(DISKS, **{"api-version": version})


def test_a_version_there_must_be(azure: Client) -> None:
    answer = azure.http.get(f"{azure.base}{DISKS}", timeout=5)
    assert answer.json()["error"]["code"] == "MissingApiVersionParameter"
    wrong = azure.refused("GET", DISKS, **{"api-version": "latest"})
    assert wrong == (400, "InvalidApiVersionParameter")


def test_a_token_outlives_a_restart_of_the_lab(lab_directory: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite3"
    first = Lab.empty(state_file=state)
    with LabServer(first, directory=lab_directory) as server:
        client = Client(server)
        client.sign_in()
    first.close()
    second = Lab.empty(state_file=state)
    with LabServer(second, directory=lab_directory) as server, client.http:
        client.server = server
        assert client.get(COMPUTE + "/disks") == {"value": []}
    second.close()


def _credential(server: LabServer, secret: str) -> ClientSecretCredential:
    return ClientSecretCredential(
        TENANT, CLIENT, secret, authority=server.urls["azure"], disable_instance_discovery=True,
        connection_verify=str(server.ca_path), retry_total=0,
    )  # fmt: skip


def test_the_sdk_signs_in(server: LabServer) -> None:
    with _credential(server, SECRET) as credential:
        token = credential.get_token("https://management.azure.com/.default")
    assert token.token.count(".") == 2


def test_the_sdk_says_what_is_wrong_with_the_secret(server: LabServer) -> None:
    with (
        _credential(server, "guess") as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token("https://management.azure.com/.default")
