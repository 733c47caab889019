"""Holds every answer of the emulated Azure to the schema of its call, and requests to theirs.

with checked(lab) as check: ...    # fails at its end for what was not as it should be
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from azure.mgmt.compute import models
from jsonschema import Draft202012Validator

from portal.lab import Lab
from portal.lab.routing import Answer, Request
from tests.lab.azure import schemas_others as others
from tests.lab.azure.schemas import Deriver, Schema, complaints, validator

_ANSWERS, _REQUESTS = Deriver(), Deriver(for_requests=True)
SUBSCRIPTION = "/subscriptions/{s}"
GROUP = f"{SUBSCRIPTION}/resourcegroups/{{g}}"
COMPUTE = "/providers/microsoft.compute"
# Answers that are known to be good are not looked at again.
_SEEN_LIMIT = 50_000


@dataclass(frozen=True)
class Rule:
    """One call. ``answers``: status to schema, None for an empty body; other 2xx are wrong."""

    method: str
    path: str
    answers: Mapping[int, Schema | None]
    request: Schema | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """What paths it is for, in lower case."""
        fixed = re.split(r"\{\w+\}", self.path)
        return re.compile("[^/?]+".join(map(re.escape, fixed)) + "$")


def _answer(model: Any) -> Schema:
    return _ANSWERS.reference(model)


def _resource(model: Any, kind: str) -> Schema:
    """A tracked resource: the SDK requires only its location, Azure never leaves these out."""
    kinds = {"type": {"const": f"Microsoft.Compute/{kind}"}}
    state = {"properties": {"required": ["provisioningState"]}}
    keys = ["id", "name", "type", "properties"]
    return {"allOf": [_answer(model), {"required": keys, "properties": kinds | state}]}


DISK = _resource(models.Disk, "disks")
SNAPSHOT = _resource(models.Snapshot, "snapshots")
VM = _resource(models.VirtualMachine, "virtualMachines")
ACCESS = _answer(models.AccessUri)
_API_ERROR: Schema = {"allOf": [_answer(models.ApiError), {"required": ["code", "message"]}]}
ERROR: Schema = {
    "allOf": [
        _answer(models.CloudError),
        {"required": ["error"], "properties": {"error": _API_ERROR}},
    ]
}


def _of_kind(kind: str, model: Any, update: Any, shown: Schema) -> Iterator[Rule]:
    """Disks and snapshots: the same verbs (reference 2.1)."""
    every, one = f"{GROUP}{COMPUTE}/{kind}", f"{GROUP}{COMPUTE}/{kind}/{{n}}"
    yield Rule("GET", f"{SUBSCRIPTION}{COMPUTE}/{kind}", {200: others.page(shown)})
    yield Rule("GET", every, {200: others.page(shown)})
    yield Rule("GET", one, {200: shown})
    yield Rule("PUT", one, {200: shown, 202: shown}, _REQUESTS.reference(model))
    yield Rule("PATCH", one, {200: shown, 202: shown}, _REQUESTS.reference(update))
    yield Rule("DELETE", one, {200: None, 202: None, 204: None})
    access = _REQUESTS.reference(models.GrantAccessData)
    yield Rule("POST", f"{one}/begingetaccess", {200: ACCESS, 202: None}, access)
    yield Rule("POST", f"{one}/endgetaccess", {200: None, 202: None})


def _of_vms() -> Iterator[Rule]:
    every, one = f"{GROUP}{COMPUTE}/virtualmachines", f"{GROUP}{COMPUTE}/virtualmachines/{{n}}"
    yield Rule("GET", f"{SUBSCRIPTION}{COMPUTE}/virtualmachines", {200: others.page(VM)})
    yield Rule("GET", every, {200: others.page(VM)})
    yield Rule("GET", one, {200: VM})
    view = _answer(models.VirtualMachineInstanceView)
    yield Rule("GET", f"{one}/instanceview", {200: {"allOf": [view, {"required": ["statuses"]}]}})
    yield Rule("PUT", one, {200: VM, 201: VM}, _REQUESTS.reference(models.VirtualMachine))
    yield Rule("PATCH", one, {200: VM}, _REQUESTS.reference(models.VirtualMachineUpdate))
    yield Rule("DELETE", one, {200: None, 202: None, 204: None})
    for verb in ("start", "poweroff", "deallocate", "restart"):
        yield Rule("POST", f"{one}/{verb}", {200: None, 202: None})
    yield Rule("POST", f"{one}/generalize", {200: None})
    command = _REQUESTS.reference(models.RunCommandInput)
    yield Rule("POST", f"{one}/runcommand", {200: None, 202: None}, command)
    disks = {200: _answer(models.StorageProfile), 202: None}
    change = _REQUESTS.reference(models.AttachDetachDataDisksRequest)
    yield Rule("POST", f"{one}/attachdetachdatadisks", disks, change)


def _of_regions() -> Iterator[Rule]:
    """SKUs, usages, and operations, which live beside the resources."""
    usages = others.page(_answer(models.Usage))
    keys = ["resourceType", "name", "locations", "locationInfo", "restrictions"]
    sku = {"allOf": [_answer(models.ResourceSku), {"required": keys}]}
    yield Rule("GET", f"{SUBSCRIPTION}{COMPUTE}/skus", {200: others.page(sku)})
    yield Rule("GET", f"{SUBSCRIPTION}{COMPUTE}/locations/{{l}}/usages", {200: usages})
    output: Schema = {"anyOf": [DISK, SNAPSHOT, VM, ACCESS]}
    for kind in ("diskoperations", "operations"):
        path = f"{SUBSCRIPTION}{COMPUTE}/locations/{{l}}/{kind}/{{o}}"
        yield Rule("GET", path, {200: others.operation(output, _API_ERROR)})
        # Of a POST there is nothing to show.
        disks = _answer(models.StorageProfile)
        printed = _answer(models.RunCommandResult)
        ended: Schema = {"anyOf": [*output["anyOf"], disks, printed, {"type": "null"}]}
        yield Rule("GET", f"{path}?monitor", {200: ended, 202: None, 204: None})


def _of_others() -> Iterator[Rule]:
    network = f"{GROUP}/providers/microsoft.network/networkinterfaces"
    tokens = "/{t}/oauth2/v2.0/token"
    register = f"{SUBSCRIPTION}{COMPUTE}/register"
    yield Rule("POST", register, {200: others.PROVIDER})
    for path, schema in (
        ("/{t}/v2.0/.well-known/openid-configuration", others.DISCOVERY),
        ("/tenants", others.page(others.TENANT)),
        ("/subscriptions", others.page(others.SUBSCRIPTION)),
        (SUBSCRIPTION, others.SUBSCRIPTION),
        (f"{SUBSCRIPTION}/locations", others.page(others.LOCATION)),
        (f"{SUBSCRIPTION}/providers/{{p}}", others.PROVIDER),
        (f"{SUBSCRIPTION}/resourcegroups", others.page(others.GROUP)),
        (GROUP, others.GROUP),
        (f"{SUBSCRIPTION}/resources", others.page(others.GENERIC)),
        (f"{GROUP}/resources", others.page(others.GENERIC)),
        (f"{SUBSCRIPTION}/providers/microsoft.network/networkinterfaces", others.page(others.NIC)),
        (f"{SUBSCRIPTION}/providers/microsoft.network/publicipaddresses", others.page({})),
        (f"{GROUP}/providers/microsoft.network/publicipaddresses", others.page({})),
        (network, others.page(others.NIC)),
        (f"{network}/{{n}}", others.NIC),
    ):
        yield Rule("GET", path, {200: schema})
    yield Rule("POST", tokens, {200: others.TOKEN})
    for scope in (SUBSCRIPTION, GROUP, f"{GROUP}/providers/{{p}}/{{k}}/{{n}}"):
        base = f"{scope}/providers/microsoft.authorization"
        yield Rule("GET", f"{base}/permissions", {200: others.page(others.PERMISSION)})
        yield Rule("GET", f"{base}/locks", {200: others.page(others.LOCK)})
        yield Rule("GET", f"{base}/locks/{{n}}", {200: others.LOCK})


RULES = [
    *_of_kind("disks", models.Disk, models.DiskUpdate, DISK),
    *_of_kind("snapshots", models.Snapshot, models.SnapshotUpdate, SNAPSHOT),
    *_of_vms(),
    *_of_regions(),
    *_of_others(),
]
_PATTERNS = [(rule, rule.pattern) for rule in RULES]


@cache
def _check(place: int, status: int) -> Draft202012Validator:
    schema = RULES[place].answers[status]
    return validator(schema or {}, _ANSWERS.definitions)


@cache
def _check_request(place: int) -> Draft202012Validator:
    return validator(RULES[place].request or {}, _REQUESTS.definitions)


@cache
def _check_error(*, of_token: bool) -> Draft202012Validator:
    return validator(others.TOKEN_ERROR if of_token else ERROR, _ANSWERS.definitions)


_seen: set[tuple[int | None, str, int, str]] = set()


@dataclass
class Checker:
    """Collects what is wrong. ``rules`` are the calls that came by."""

    complaints: list[str] = field(default_factory=list)
    rules: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, cloud: str, request: Request, answer: Answer) -> None:
        """Look at one answer, and at the request if it was taken."""
        if cloud != "azure":
            return
        place = place_of(request)
        said = (place, request.method, answer.status, json.dumps(answer.body))
        if place is not None:
            self.rules.add((RULES[place].method, RULES[place].path))
        found = list(_headers(request, answer))
        if answer.status < 300 and place is not None and RULES[place].request and request.body:
            found += complaints(_check_request(place), json.loads(request.body))
        if said not in _seen:
            found += _body(place, request, answer)
        if not found and len(_seen) < _SEEN_LIMIT:
            _seen.add(said)
        call = f"{request.method} {request.path} {answer.status}"
        self.complaints += [f"{call}: {each}" for each in found]


def place_of(request: Request) -> int | None:
    path = request.path.lower().rstrip("/")
    path += "?monitor" if "monitor" in request.query else ""
    for place, (rule, pattern) in enumerate(_PATTERNS):
        if rule.method == request.method and pattern.match(path):
            return place
    return None


def _is_sign_in(request: Request) -> bool:
    return "/oauth2/" in request.path or "/.well-known/" in request.path


def _headers(request: Request, answer: Answer) -> Iterator[str]:
    """What clients look for in headers (reference 3, 5.1, 7.10)."""
    if answer.status == 202:
        for name in ("Location", "Azure-AsyncOperation"):
            if not answer.headers.get(name, "https://").startswith("https://"):
                yield f"{name} is no absolute URL"
        if not {"Location", "Azure-AsyncOperation"} & set(answer.headers):
            yield "no header says where to follow the operation"
    has_reason = "WWW-Authenticate" in answer.headers or _is_sign_in(request)
    if answer.status == 401 and not has_reason:
        yield "no WWW-Authenticate"
    if answer.status == 429 and not answer.headers.get("Retry-After", "").isdecimal():
        yield "no Retry-After"


def _body(place: int | None, request: Request, answer: Answer) -> Iterator[str]:
    if answer.status >= 400:
        of_token = _is_sign_in(request) and answer.status != 404
        yield from complaints(_check_error(of_token=of_token), answer.body)
    elif place is None:
        yield "no rule says what this call answers"
    elif answer.status not in RULES[place].answers:
        yield "a status that the SDK does not take here"
    elif RULES[place].answers[answer.status] is None:
        if answer.body is not None:
            yield "a body, where there is none"
    else:
        yield from complaints(_check(place, answer.status), answer.body)


@contextmanager
def checked(lab: Lab) -> Iterator[Checker]:
    """Hold every answer to its schema meanwhile; fail at the end for what was not."""
    checker = Checker()
    lab.observers.append(checker)
    try:
        yield checker
    finally:
        lab.observers.remove(checker)
    assert not checker.complaints, "\n".join(checker.complaints)
