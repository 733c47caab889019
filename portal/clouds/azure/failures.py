"""From what the SDK raises to the tree of errors of `portal.clouds.api`.

Decided by status and code, never by the SDK's classes: a 409 comes as ResourceExistsError,
an operation that failed as an error with status 200, a dead token endpoint as a refused
sign-in. Messages are Azure's own words; the advice is ours.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceResponseError,
)

from portal.clouds.api import (
    CloudBusy,
    CloudError,
    CloudRefused,
    CloudUnreachable,
    NotFound,
    SignInRefused,
)

LONGEST_MESSAGE = 500
BUSY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# Somebody else works on the same thing, or there is no room just now: later it may do.
BUSY_CODES = frozenset({
    "anotheroperationinprogress", "conflict", "attachdiskwhilebeingdetached", "operationpreempted",
    "allocationfailed", "zonalallocationfailed", "overconstrainedallocationrequest",
    "toomanyrequests", "subscriptionrequeststhrottled", "internalserviceerror", "servertimeout",
})  # fmt: skip
GONE_CODES = frozenset({"resourcenotfound", "notfound", "resourcegroupnotfound"})
CAPACITY_SECONDS = 60.0

# AADSTS number -> what a person does about it (reference 4).
SIGN_IN_ADVICE = {
    "7000215": "Enter the secret's value again, not its id; then test the connection.",
    "7000222": "The client secret has expired: make a new one at Azure and enter it here.",
    "700016": "Check the client id, and that the application is of this tenant.",
    "90002": "Check the tenant id.",
    "900023": "Check the tenant id.",
}
OTHER_SIGN_IN = "Check tenant, client id and secret, then test the connection."
_AADSTS = re.compile(r"AADSTS(\d+)")
# Numbers by which the token endpoint says "later".
BUSY_SIGN_IN = frozenset({"90033", "90024", "50196"})
_ACTION = re.compile(r"action(?:\(s\))? '([^']+)'")
_LINKED = re.compile(r"linked scope\(s\) '([^']+)'")
_SCOPE = re.compile(r"scope '([^']+)'")
_LOCKED_BY = re.compile(r"locked: '([^']+)'")


TokenAnswer = tuple[int, Mapping[str, str]]


def from_sdk(
    error: AzureError,
    host: str,
    timeouts: tuple[float, float],
    token_answer: TokenAnswer | None = None,
) -> CloudError:
    """Return the error of ours that says what the SDK's error means.

    ``timeouts`` are those for connecting and reading, in seconds; ``token_answer`` is status
    and headers of the token endpoint's last answer, which the SDK's error does not carry.
    """
    said = str(getattr(error, "message", "") or error)
    numbers = _AADSTS.findall(said)
    if numbers:
        return _sign_in(numbers[0], _first_line(said))
    response = getattr(error, "response", None)
    if not isinstance(error, HttpResponseError) or response is None:
        if isinstance(error, ClientAuthenticationError) and token_answer:
            status, headers = token_answer
            if status in BUSY_STATUSES:
                wait = retry_after(headers)
                return CloudBusy(f"The token endpoint answers {status}.", retry_after=wait)
        return _no_answer(error, said, host, timeouts)
    code, words = _code_and_words(error, said)
    wait = retry_after(response.headers)
    return from_answer(response.status_code, code, words, wait)


def from_answer(status: int, code: str, words: str, wait: float | None = None) -> CloudError:
    """Return our error for an answer: its status, its error's code and message, Retry-After."""
    words, key = words[:LONGEST_MESSAGE], code.lower()
    is_quota = "quota" in words.lower() or key == "quotaexceeded"
    if status == 429 or key in BUSY_CODES:
        wait = wait or (CAPACITY_SECONDS if "allocation" in key else None)
        return CloudBusy(words, retry_after=wait)
    if key == "subscriptionnotfound":
        return CloudRefused(words, advice="Check the subscription id of the cloud account.")
    if status == 404 or key in GONE_CODES:
        return NotFound(words)
    if status in (401, 403):
        return _forbidden(status, key, words)
    if status in BUSY_STATUSES:
        return CloudBusy(words, retry_after=wait)
    return CloudRefused(words, advice=_advice(key, words, is_quota=is_quota))


def _advice(key: str, words: str, *, is_quota: bool) -> str:
    if key == "scopelocked":
        found = _LOCKED_BY.search(words)
        where = f" on {found[1]}" if found else ""
        return f"Remove the lock{where} at Azure, then try again."
    if is_quota:
        return "Ask Azure for a higher quota in this region, or delete what is not needed there."
    if key == "skunotavailable":
        return "Choose a VM size that is offered in this region, or ask Azure for it."
    if key == "missingsubscriptionregistration":
        return "Register the provider Microsoft.Compute on the subscription, then try again."
    if key == "requestdisallowedbypolicy":
        return "A policy of the subscription forbids it: have it changed, or an exemption made."
    return ""


def _forbidden(status: int, key: str, words: str) -> CloudError:
    """Name the action that is missing, and where."""
    if key == "requestdisallowedbypolicy":
        return CloudRefused(words, advice=_advice(key, words, is_quota=False))
    action = _ACTION.search(words)
    if status == 401 or action is None:
        return SignInRefused(words, advice=OTHER_SIGN_IN)
    scope = _LINKED.search(words) or _SCOPE.search(words)
    where = f" on {scope[1]}" if scope else ""
    advice = f"Add the action {action[1]} to the application's role{where}."
    return SignInRefused(f"Azure does not allow {action[1]}{where}.", advice=advice)


def _sign_in(number: str, said: str) -> CloudError:
    if number in BUSY_SIGN_IN:
        return CloudBusy(said)
    return SignInRefused(said, advice=SIGN_IN_ADVICE.get(number, OTHER_SIGN_IN))


def _no_answer(
    error: AzureError, said: str, host: str, timeouts: tuple[float, float]
) -> CloudError:
    """Name, route, TLS, time-out, or a connection that broke."""
    words = said.lower()
    if "certificate" in words:
        return CloudUnreachable(
            f"The certificate of {host} is not trusted.",
            advice="Give the CA certificate that signed it with the cloud account.",
        )
    if "name or service not known" in words or "nameresolution" in words or "resolve" in words:
        return CloudUnreachable(f"The name of {host} is unknown.", advice="Check the endpoint.")
    if "connecttimeout" in words or "connect timeout" in words:
        return CloudUnreachable(f"{host} timed out: no connection within {timeouts[0]:g} s.")
    if "timed out" in words or "timeout" in words:
        return CloudUnreachable(f"{host} timed out: no answer within {timeouts[1]:g} s.")
    if "refused" in words:
        return CloudUnreachable(f"{host} refuses connections.", advice="Check the endpoint.")
    what = "broke" if isinstance(error, ServiceResponseError) else "failed"
    return CloudUnreachable(f"The connection to {host} {what}: {_first_line(said)}")


def _code_and_words(error: HttpResponseError, said: str) -> tuple[str, str]:
    """Azure's code and message; a body that is no JSON has neither."""
    known: Any = error.error
    if known is None or not getattr(known, "code", None):
        return "", _first_line(error.reason or said)
    return str(known.code), str(known.message or known.code)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds to wait; the header holds seconds or a date."""
    given = headers.get("Retry-After", "")
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(given)
    except (TypeError, ValueError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=dt.UTC)
    return max(0.0, (then - dt.datetime.now(dt.UTC)).total_seconds())


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0] if lines else "no reason given")[:LONGEST_MESSAGE]
