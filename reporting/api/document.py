"""The API's description as OpenAPI: what the framework writes, made true in the details.

Added are the headers every answer carries and an example of every refusal; taken away is that
a parameter might be ``null``, which no query string can say.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ninja import NinjaAPI

from portal.problems import problem_of

DESCRIPTION = """What an account has, its records, and starting backups, for programs.

A key is made on an account's page Settings, API, or on the page Organizations for all accounts
below; its role says what it may do. It signs in with `Authorization: Bearer <token>`, or signs
each request: `X-Frame-ClientId`, `X-Frame-Timestamp` (seconds since 1970, within five minutes of
now) and `X-Frame-Signature`, the lowercase hex HMAC-SHA256 of time and client id, keyed with the
secret.

Times are ISO 8601 in UTC. Lists come a page at a time: hand `next` back as `cursor` until it is
null.
"""
_PREFIX = "/api/v1/"
_SAID = {
    400: "Cannot parse request body",
    401: "The key is missing, wrong or revoked, or the signature does not fit or is too old.",
    403: "The key's role has no right to this.",
    404: "There is no such thing, or the key does not reach it.",
    405: "This method is not for this address.",
    409: "It cannot be now; the message says why. Nothing was changed.",
    413: "The request is too large.",
    422: "The request is not valid; fields says what is wrong where. Nothing was changed.",
    429: "Too many requests with this key in this minute.",
    500: "Something went wrong here; the message has the request's id for a support case.",
    503: "The database cannot be reached or written to just now, or other files are being written. "
    "The request was done as a whole or not at all.",
}


def _integer(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


_RATE = {
    "X-RateLimit-Limit": _integer("Requests a key may make in a minute."),
    "X-RateLimit-Remaining": _integer("How many of them are left."),
    "X-RateLimit-Reset": _integer("When the next minute begins, in seconds since 1970."),
}
_WAIT = {"Retry-After": _integer("Seconds to wait.")}
_MORE: dict[int, dict[str, Any]] = {
    202: {"Location": {"description": "Address of the task.", "schema": {"type": "string"}}},
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    405: {"Allow": {"schema": {"type": "string"}}},
    429: _WAIT,
    503: _WAIT,
}
# Before the key is known, or after all has failed, there is no rate to tell.
_WITHOUT_RATE = (401, 405, 500, 503)


@cache
def document(api: NinjaAPI) -> dict[str, Any]:
    """The description, as JSON has it; made once."""
    schema: dict[str, Any] = dict(api.get_openapi_schema(path_prefix=_PREFIX))
    for operations in schema["paths"].values():
        for operation in operations.values():
            _finish(operation)
    return schema


def _finish(operation: dict[str, Any]) -> None:
    for parameter in operation["parameters"]:
        parameter["schema"] = _without_null(parameter["schema"])
    for status, answer in operation["responses"].items():
        rate = {} if status in _WITHOUT_RATE else _RATE
        answer["headers"] = rate | _MORE.get(status, {})
        if status in _SAID:
            answer["description"] = _SAID[status]
            example = problem_of(status, _SAID[status])
            answer["content"]["application/json"]["example"] = example


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or it is not."""
    kinds: list[dict[str, Any]] = [
        each for each in schema.get("anyOf", ()) if each != {"type": "null"}
    ]
    if len(kinds) != 1:
        return schema
    return kinds[0] | {"description": schema.get("description", "")}
