"""From what went wrong on the wire to the tree of errors of `portal.clouds.api`."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import requests

from portal.clouds.api import (
    CloudBusy,
    CloudError,
    CloudRefused,
    CloudUnreachable,
    NotFound,
    SignInRefused,
)
from portal.clouds.patience import retry_after

# A gateway's words for "not now": too many requests, leader change, upgrade.
BUSY = frozenset({429, 502, 503, 504})
LONGEST_MESSAGE = 500


def from_transport(error: Exception, host: str, timeouts: tuple[float, float]) -> CloudError:
    """Say in one sentence why there was no answer. ``timeouts``: connect, read, in seconds."""
    causes = list(_causes(error))
    if isinstance(error, requests.exceptions.InvalidURL):
        return CloudRefused(f"{host} is not a valid address.", advice="Correct the endpoint.")
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return _untrusted(causes, host)
    if isinstance(error, requests.exceptions.SSLError):
        return CloudUnreachable(
            f"No secure connection to {host}: {_last_words(causes)}",
            advice="Check that the endpoint names Prism Element's own port, usually 9440.",
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return CloudUnreachable(f"{host} timed out: no connection within {timeouts[0]:g} s.")
    if isinstance(error, requests.exceptions.ReadTimeout):
        return CloudUnreachable(f"{host} timed out: no answer within {timeouts[1]:g} s.")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return CloudUnreachable(f"The name of {host} is unknown.", advice="Check the endpoint.")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return CloudUnreachable(f"{host} refuses connections.", advice="Check address and port.")
    return CloudUnreachable(f"The connection to {host} broke: {_last_words(causes)}")


def _untrusted(causes: list[BaseException], host: str) -> CloudError:
    why = next(c.verify_message for c in causes if isinstance(c, ssl.SSLCertVerificationError))
    return CloudUnreachable(
        f"The certificate of {host} is not trusted: {why}.",
        advice="Give the CA certificate that signed it with the cloud account.",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk what the layers of requests and urllib3 wrapped, outermost first."""
    seen: set[int] = set()
    todo: list[Any] = [error]
    while todo:
        this = todo.pop(0)
        if not isinstance(this, BaseException) or id(this) in seen:
            continue
        seen.add(id(this))
        yield this
        todo += [*this.args, getattr(this, "reason", None), this.__cause__, this.__context__]


def _last_words(causes: list[BaseException]) -> str:
    """Return the innermost reason as text, without the layers around it."""
    for cause in reversed(causes):
        text = str(cause)
        if text and "object at 0x" not in text and not text.startswith("("):
            return text[:LONGEST_MESSAGE]
    return type(causes[0]).__name__


def from_answer(response: requests.Response, call: str, user: str) -> CloudError:
    """Classify an answer that is no success. ``call`` is for people: ``GET /vms``."""
    status = response.status_code
    words = _words(response)
    if status in BUSY:
        return CloudBusy(
            words or f"The cluster answered {status}.", retry_after=retry_after(response.headers)
        )
    if status == 401:
        return SignInRefused(
            f"The cluster refuses the password of user {user}.",
            advice="Check user and password. A locked user is freed after about 15 minutes.",
        )
    if status == 403:
        return SignInRefused(
            f"User {user} lacks the right for {call}. {words}".strip(),
            advice="Give the user the role Cluster Admin; it may also be locked for 15 minutes.",
        )
    if words and status == 404:
        return NotFound(words)
    if words:
        return CloudRefused(words)
    if status >= 500:
        return CloudBusy(f"The cluster answered {status} to {call}, without saying why.")
    # Not an answer of the API: its refusals and its 404 carry the error body. Taking a proxy's
    # 404 for "not there" would give up a copy that exists.
    return CloudUnreachable(
        f"What answers is not Prism Element: {status} to {call}.",
        advice="Check the endpoint; Prism Element listens on port 9440.",
    )


def _words(response: requests.Response) -> str:
    """Return the error body's message and the first line of its detail, "" without one."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    if not isinstance(body, dict) or not body.keys() & {"message", "detailed_message"}:
        return ""
    message = str(body.get("message") or "").strip()
    detail = str(body.get("detailed_message") or "").strip().partition("\n")[0].strip()
    if detail and detail not in message:
        message = f"{message} ({detail})" if message else detail
    code = body.get("error_code")
    number = code.get("code") if isinstance(code, dict) else None
    return message[:LONGEST_MESSAGE] or f"The cluster gave no reason (error code {number})."
