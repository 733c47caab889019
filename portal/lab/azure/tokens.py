"""The token endpoint, and what it issues: signed tokens that outlive a restart of the lab."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from portal.lab.azure.cloud import AzureCloud
from portal.lab.azure.model import CLIENT, TENANT
from portal.lab.azure.refusals import ArmRefusal
from portal.lab.azure.routes import TOKENS
from portal.lab.clock import SECOND
from portal.lab.routing import Answer, Request


@TOKENS("GET", "/{tenant}/v2.0/.well-known/openid-configuration")
def openid_configuration(cloud: AzureCloud, request: Request) -> Answer:
    tenant = request["tenant"]
    if tenant != TENANT:
        return _refuse(90002, "invalid_tenant", f"Tenant '{tenant}' not found.")
    authority = f"{cloud.base}/{tenant}"
    return Answer({
        "token_endpoint": f"{authority}/oauth2/v2.0/token",
        "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
        "issuer": f"{authority}/v2.0",
        "jwks_uri": f"{authority}/discovery/v2.0/keys",
    })  # fmt: skip


@TOKENS("POST", "/{tenant}/oauth2/v2.0/token")
def token_issue(cloud: AzureCloud, request: Request) -> Answer:
    """Client credentials only: the form of the SDK's credential."""
    form = dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))
    client = form.get("client_id", "")
    if request["tenant"] != TENANT:
        return _refuse(90002, "invalid_request", f"Tenant '{request['tenant']}' not found.")
    if form.get("grant_type") != "client_credentials":
        return _refuse(70003, "unsupported_grant_type", "The grant type is not supported.")
    if client != CLIENT:
        said = f"Application with identifier '{client}' was not found in the directory 'Lab'."
        return _refuse(700016, "unauthorized_client", said)
    if not hmac.compare_digest(form.get("client_secret", ""), cloud.access.secret):
        said = "Invalid client secret provided."
        return _refuse(7000215, "invalid_client", said, 401)
    if cloud.access.is_secret_expired:
        said = f"The provided client secret keys for app '{client}' are expired."
        return _refuse(7000222, "invalid_client", said, 401)
    seconds = cloud.access.token_seconds
    issued = cloud.now // SECOND
    claims = {
        "aud": form.get("scope", "").removesuffix("/.default"), "iss": f"{cloud.base}/{TENANT}/",
        "appid": client, "oid": client, "tid": TENANT, "iat": issued, "nbf": issued,
        "exp": issued + seconds, "ver": cloud.access.generation,
    }  # fmt: skip
    return Answer({
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": _sign(cloud, claims),
    })  # fmt: skip


def check_bearer(cloud: AzureCloud, authorization: str | None) -> None:
    """Raise 401 unless the call carries a token of ours that is still good."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' "
                            "header is missing.")  # fmt: skip
    claims = _read(cloud, token)
    if claims is None or claims["ver"] != cloud.access.generation:
        raise _unauthorized("InvalidAuthenticationToken", "The access token is invalid.")
    if claims["exp"] * SECOND <= cloud.now:
        raise expired()


def expired() -> ArmRefusal:
    """401: the token was good once."""
    said = "The access token expiry UTC time is earlier than current UTC time."
    return _unauthorized("ExpiredAuthenticationToken", said)


def is_sign_in(segments: Sequence[str]) -> bool:
    """Whether a path is one of the token endpoint's."""
    return "oauth2" in segments or ".well-known" in segments


def token_error(status: int, message: str) -> dict[str, Any]:
    """The body of an error that is nobody's fault: 90033 and 90024 mean to try again."""
    number = 90024 if status == 429 else 90033 if status >= 500 else 50000
    return _error(number, "temporarily_unavailable" if status >= 429 else "server_error", message)


def _unauthorized(code: str, message: str) -> ArmRefusal:
    wanted = 'Bearer authorization_uri="https://login.lab/", error="invalid_token"'
    return ArmRefusal(401, code, message, headers={"WWW-Authenticate": wanted})


def _refuse(number: int, error: str, message: str, status: int = 400) -> Answer:
    return Answer(_error(number, error, message), status)


def _error(number: int, error: str, message: str) -> dict[str, Any]:
    body = {"error": error, "error_description": f"AADSTS{number}: {message}"}
    return {**body, "error_codes": [number]}


def _sign(cloud: AzureCloud, claims: dict[str, Any]) -> str:
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _encode(json.dumps(claims).encode())
    return f"{head}.{body}.{_seal(cloud, f'{head}.{body}')}"


def _read(cloud: AzureCloud, token: str) -> dict[str, Any] | None:
    signed, _, seal = token.rpartition(".")
    if not hmac.compare_digest(seal, _seal(cloud, signed)):
        return None
    body = signed.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _seal(cloud: AzureCloud, text: str) -> str:
    return _encode(hmac.digest(cloud.access.key.encode(), text.encode(), hashlib.sha256))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
