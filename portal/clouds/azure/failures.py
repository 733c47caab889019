"""From what the SDK raises to the tree of errors of `portal.clouds.api`.

Decided by status and code, never by the SDK's classes: a 409 comes as ResourceExistsError,
an operation that failed as an error with status 200, a dead token endpoint as a refused
sign-in. Messages are Azure's own words; the advice is ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from portal.clouds.patience import retry_after

LONGEST_MESSAGE = 500
BUSY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
CAPACITY_CODES = frozenset({
    "allocationfailed", "zonalallocationfailed", "overconstrainedallocationrequest",
})  # fmt: skip
# Somebody else works on the same thing, or there is no room just now: later it may do.
BUSY_CODES = frozenset({
    "anotheroperationinprogress", "conflict", "attachdiskwhilebeingdetached", "operationpreempted",
    "toomanyrequests", "subscriptionrequeststhrottled", "internalserviceerror", "servertimeout",
    *CAPACITY_CODES,
})  # fmt: skip
GONE_CODES = frozenset({"resourcenotfound", "notfound", "resourcegroupnotfound"})
CAPACITY_SECONDS = 60.0
THROTTLED = (
    "Azure limits the calls of the subscription: wait, or find out what else calls so often."
)
NO_ROOM = "Azure has no room for this VM size there: try later, or choose another size at Azure."
ADVICE = {
    "skunotavailable": "Choose a VM size that is offered in this region, or ask Azure for it.",
    "missingsubscriptionregistration":
        "Register the provider Microsoft.Compute on the subscription, then try again.",
    "requestdisallowedbypolicy":
        "A policy of the subscription forbids it: have it changed, or an exemption made.",
    "propertychangenotallowed":
        "Compare size, type and generation of the machine's disk with the backup's at Azure.",
}  # fmt: skip

# AADSTS number -> what a person does about it (reference 4).
SIGN_IN_ADVICE = {
    "7000215": "Enter the secret's value again, not its id; then test the connection.",
    "7000222": "The client secret has expired: make a new one at Azure and enter it here.",
    "700016": "Check the client id, and that the application is of this tenant.",
    "90002": "Check the tenant id and the authority.",
    "900023": "Check the tenant id and the authority.",
}
OTHER_SIGN_IN = "Check tenant, client id and secret, then test the connection."
_AADSTS = re.compile(r"AADSTS(\d+)")
# Numbers by which the token endpoint says "later".
BUSY_SIGN_IN = frozenset({"90033", "90024", "50196"})
_ACTION = re.compile(r"action(?:\(s\))? '([^']+)'")
_LINKED = re.compile(r"linked scope\(s\) '([^']+)'")
_SCOPE = re.compile(r"scope '([^']+)'")
_QUOTA = re.compile(r"approved (.+?) quota", re.IGNORECASE)
_REGION = re.compile(r"Location: (\w+)")
_LIMIT = re.compile(r"Current Limit: (\d+)")
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
            if status in (400, 404) and "authority configuration" in said:
                return SignInRefused("Azure knows no such tenant.", advice=SIGN_IN_ADVICE["90002"])
        return _no_answer(error, said, host, timeouts)
    code, words = _code_and_words(error, said)
    wait = retry_after(response.headers)
    return from_answer(response.status_code, code, words, wait)


def from_answer(status: int, code: str, words: str, wait: float | None = None) -> CloudError:
    """Return our error for an answer: its status, its error's code and message, Retry-After."""
    said, key = words[:LONGEST_MESSAGE], code.lower()
    if status == 429 or key in BUSY_CODES:
        has_no_room = key in CAPACITY_CODES
        wait = wait or (CAPACITY_SECONDS if has_no_room else None)
        advice = NO_ROOM if has_no_room else THROTTLED if status == 429 else ""
        return CloudBusy(said, retry_after=wait, advice=advice)
    if key == "subscriptionnotfound":
        return CloudRefused(said, advice="Check the subscription id of the cloud account.")
    if status == 404 or key in GONE_CODES:
        return NotFound(said)
    if status in (401, 403):
        return _forbidden(status, key, words)
    if status in BUSY_STATUSES:
        return CloudBusy(said, retry_after=wait)
    return CloudRefused(said, advice=_advice(key, words))


def _advice(key: str, words: str) -> str:
    if key == "scopelocked":
        found = _LOCKED_BY.search(words)
        where = f" on {_place(found[1])}" if found else ""
        return f"Remove the lock{where} at Azure, then try again."
    if key == "quotaexceeded" or "quota" in words.lower():
        return _more_quota(words)
    return ADVICE.get(key, "")


def _more_quota(words: str) -> str:
    """Name what is used up, where, and the limit, as far as the message tells."""
    what, region, limit = (found.search(words) for found in (_QUOTA, _REGION, _LIMIT))
    more = f"more {what[1]} than {limit[1]}" if what and limit else "a higher quota"
    where = f"in {region[1]}" if region else "in this region"
    return f"Ask Azure for {more} {where}, or delete what is not needed there."


def _place(scope: str, *, of_group: bool = False) -> str:
    """A scope as a person calls it. ``of_group``: the resource group of a resource."""
    parts = scope.strip("/").split("/")
    if len(parts) == 4 or (len(parts) > 4 and of_group):
        return f"the resource group {parts[3]}"
    return f"the subscription {parts[1]}" if len(parts) == 2 else parts[-1]


def _forbidden(status: int, key: str, words: str) -> CloudError:
    """Name the action that is missing, and where. A role is given on a group, or above."""
    said = words[:LONGEST_MESSAGE]
    if key == "requestdisallowedbypolicy":
        return CloudRefused(said, advice=ADVICE[key])
    action = _ACTION.search(words)
    if status == 401 or action is None:
        return SignInRefused(said, advice=OTHER_SIGN_IN)
    scope = _LINKED.search(words) or _SCOPE.search(words)
    on, role_on = ("", "")
    if scope:
        on, role_on = f" on {_place(scope[1])}", f" on {_place(scope[1], of_group=True)}"
    advice = f"Add the action {action[1]} to the application's role{role_on}."
    return SignInRefused(f"Azure does not allow {action[1]}{on}.", advice=advice)


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


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0] if lines else "no reason given")[:LONGEST_MESSAGE]
