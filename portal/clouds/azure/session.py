"""One signed-in client of the SDK, shared by threads: credential, trust, time-outs, errors."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient

from portal.clouds.api import CloudError, CloudRefused, Connection, SignInRefused
from portal.clouds.azure.failures import OTHER_SIGN_IN, from_answer, from_sdk
from portal.clouds.guard import GuardedAdapter

T = TypeVar("T")
POOL_SIZE = 32
# Resource Managers that issue to their own name; any other address speaks for the public cloud.
SCOPES = {
    host: f"https://{host}/.default"
    for host in (
        "management.azure.com",
        "management.usgovcloudapi.net",
        "management.chinacloudapi.cn",
    )
}
PUBLIC_SCOPE = SCOPES["management.azure.com"]


class _Transport(RequestsTransport):  # type: ignore[misc] # loaded lazily, untyped
    """Registers no provider: the SDK does so by itself, then sleeps until it is, however long."""

    def send(self, request: Any, **options: Any) -> Any:
        if request.method == "POST" and urlsplit(request.url).path.endswith("/register"):
            said = "The subscription is not registered to use the provider Microsoft.Compute."
            raise from_answer(409, "MissingSubscriptionRegistration", said)
        return super().send(request, **options)


class AzureSession:
    """Calls the SDK and turns what it raises into our errors.

    Nothing is retried here and nothing sleeps: the SDK would obey any Retry-After in full,
    in the runner's thread. The engine waits instead.
    """

    def __init__(self, connection: Connection) -> None:
        self.subscription = connection.secrets["subscription"].lower()
        self.host = urlsplit(connection.endpoint).netloc
        self._connection = connection
        self._lock = threading.Lock()
        self._ca = _ca_file(connection.ca_pem)
        self._client: ComputeManagementClient | None = None
        self._refusal: SignInRefused | None = None
        self._last = threading.local()

    def call(self, verb: Callable[[ComputeManagementClient], T]) -> T:
        """Return what ``verb`` returns. A token that is no longer taken is renewed, once."""
        if self._refusal is not None:
            raise self._refusal
        self._last.token_answer, handled = None, sys.exception()
        client = self._signed_in()
        try:
            return verb(client)
        except AzureError as error:
            if not _is_stale_token(error):
                if isinstance(error, ClientAuthenticationError):
                    # The credential remembers a trouble of the token endpoint for a minute or more.
                    self._forget(client)
                raise self._ours(error, handled) from error
        self._forget(client)
        try:
            return verb(self._signed_in())
        except AzureError as error:
            raise self._ours(error, handled) from error

    def forget_refusal(self) -> None:
        """Try credentials again that were refused before."""
        self._refusal = None

    def _ours(self, error: AzureError, handled: BaseException | None) -> CloudError:
        if isinstance(own := _own_cause(error, handled), CloudError):
            return own
        timeouts = (self._connection.connect_timeout, self._connection.read_timeout)
        answer = getattr(self._last, "token_answer", None)
        found = from_sdk(error, self.host, timeouts, answer)
        if isinstance(found, SignInRefused) and "AADSTS" in str(found):
            self._refusal = found
        return found

    def _note_token_answer(self, passed: Any) -> None:
        """Called by the credential with each answer of the token endpoint, in the caller's thread.

        What it raises afterwards tells neither status nor Retry-After.
        """
        answer = passed.http_response
        self._last.token_answer = (answer.status_code, answer.headers)

    def get(self, path: str, api_version: str) -> Any:
        """GET what the compute client has no method for; return its JSON."""
        url = f"{self._connection.endpoint.rstrip('/')}{path}?api-version={api_version}"

        def verb(client: ComputeManagementClient) -> Any:
            response = client.send_request(HttpRequest("GET", url))
            response.raise_for_status()
            return response.json()

        try:
            return self.call(verb)
        except ValueError as error:  # a body that is no JSON, with a status of success
            raise from_answer(502, "", f"{self.host} sent no JSON.") from error

    def _signed_in(self) -> ComputeManagementClient:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _forget(self, client: ComputeManagementClient) -> None:
        with self._lock:
            if self._client is client:
                self._client = None

    def _connect(self) -> ComputeManagementClient:
        given = self._connection
        common: dict[str, Any] = {
            "connection_verify": self._ca.name if self._ca else True,
            "connection_timeout": given.connect_timeout,
            "read_timeout": given.read_timeout,
            "retry_total": 0,
            # A redirect would carry token or secret to wherever it points.
            "permit_redirects": False,
        }
        for place in (given.endpoint, given.secrets["authority"]):
            _require_https(place)
        return ComputeManagementClient(
            self._credential(common),
            self.subscription,
            base_url=given.endpoint.rstrip("/"),
            credential_scopes=[SCOPES.get(self.host.partition(":")[0], PUBLIC_SCOPE)],
            transport=self._transport(common),
            **common,
        )

    def _credential(self, common: Mapping[str, Any]) -> ClientSecretCredential:
        given = self._connection.secrets
        try:
            return ClientSecretCredential(
                given["tenant"],
                given["client_id"],
                given["client_secret"],
                authority=given["authority"],
                disable_instance_discovery=True,
                raw_response_hook=self._note_token_answer,
                transport=self._transport(common),
                **common,
            )
        except ValueError as error:  # of what no tenant, client or authority can look like
            raise SignInRefused(str(error), advice=OTHER_SIGN_IN) from error

    def _transport(self, settings: Mapping[str, Any]) -> RequestsTransport:
        """No proxy or CA of the shell's, and no machine that an endpoint must not be."""
        session = requests.Session()
        session.trust_env = False
        adapter = GuardedAdapter(
            self._connection.objection,
            unacknowledged=self._connection.unacknowledged_timeout,
            pool_maxsize=POOL_SIZE,
            max_retries=0,
        )
        session.mount("https://", adapter)
        return _Transport(session=session, use_env_settings=False, **settings)

    def close(self) -> None:
        """Let go of connections and of the CA's file."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._ca is not None:
            self._ca.close()


def _own_cause(error: BaseException | None, handled: BaseException | None) -> BaseException | None:
    """The error of ours behind an error of the SDK's: the credential wraps whatever it meets.

    What the caller was already ``handled``-ing is behind everything, and the cause of nothing.
    """
    while error is not None and not isinstance(error, CloudError):
        error = error.__cause__ or error.__context__
    return None if error is handled else error


def _is_stale_token(error: AzureError) -> bool:
    response = getattr(error, "response", None)
    is_from_token_endpoint = "AADSTS" in str(error)
    return getattr(response, "status_code", None) == 401 and not is_from_token_endpoint


def _require_https(place: str) -> None:
    """The SDK's own refusals of such addresses come in three kinds, one of them no error of its."""
    try:
        parts = urlsplit(place)
        is_good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise CloudRefused(f"{place} is not a valid address.", advice="Correct the endpoint.")


def _ca_file(pem: str) -> Any:
    """The SDK takes a CA as a file alone."""
    if not pem:
        return None
    file = tempfile.NamedTemporaryFile(suffix=".pem")  # noqa: SIM115 - lives as long as the session
    file.write(pem.encode())
    file.flush()
    return file
