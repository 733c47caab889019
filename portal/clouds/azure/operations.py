"""Long-running operations: begun without waiting, followed by any process.

An operation's id is its name and JSON: ``on`` is the id of the resource it works on, ``verb``
the SDK method that began it, ``token`` the SDK's continuation token. Without a token (an
operation somebody else began) the resource itself is watched, or its guest's agent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.polling.base_polling import BadResponse, BadStatus
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.core.polling.arm_polling import ARMPolling

from portal.clouds.api import CloudRefused, NotFound, Operation, Progress
from portal.clouds.azure import guest, wire
from portal.clouds.azure.failures import from_answer
from portal.clouds.azure.session import AzureSession

# Up to so many are asked one by one; more are read off the lists of their resources.
FEW = 3
# Of those that have ended, so many are asked how at one look; the others have the next.
MOST_ENDED = 20
RUN_COMMAND = "virtual_machines.begin_run_command"
_AGENT, _COPY = "agent", "copy"
_OVER = frozenset({"succeeded", "failed", "canceled"})
Begin = Callable[..., Any]


class StepPolling(ARMPolling):
    """A poller that does nothing by itself: no thread, no sleep, one GET per `step`."""

    def finished(self) -> bool:
        """Say so at once, or the SDK starts a thread that waits."""
        return True

    @property
    def is_over(self) -> bool:
        return self.status().lower() in _OVER

    def step(self) -> None:
        """Ask once."""
        if not self.is_over:
            self.update_status()

    def finish(self) -> None:
        """Fetch what the operation has answered, where it is not in the record of how it stands."""
        url = self._operation.get_final_get_url(self._pipeline_response)
        if url and self.status().lower() == "succeeded":
            self._pipeline_response = self.request_status(url)
            if self.last_answer.status_code >= 400:
                raise HttpResponseError(response=self.last_answer)

    @property
    def last_answer(self) -> Any:
        return self._pipeline_response.http_response


class Operations:
    """Begins and follows the operations of one session."""

    def __init__(self, session: AzureSession) -> None:
        self._session = session

    def begin(self, verb: str, on: str, body: Any = None, message: str = "") -> Operation:
        """Start ``verb`` (``disks.begin_delete``) on a resource; return without waiting."""
        group, name = wire.group_and_name(on)
        arguments = [group, name] if body is None else [group, name, body]

        def start(client: ComputeManagementClient) -> Any:
            return _method(client, verb)(*arguments, polling=StepPolling(retry_total=0))

        poller = self._session.call(start)
        return Operation(_encode(verb, on, poller.continuation_token()), message)

    def watch(self, on: str, message: str = "") -> Operation:
        """Return an operation that ends when nothing is under way on the resource."""
        return Operation(_encode("", on, ""), message)

    def watch_agent(self, on: str) -> Operation:
        """Return an operation that ends when a machine's agent is ready, or the machine off."""
        return Operation(_encode(_AGENT, on, ""), "Waiting for the guest's agent")

    def watch_copy(self, on: str) -> Operation:
        """Return an operation that ends when a snapshot has come from another region, or broke."""
        return Operation(_encode(_COPY, on, ""), "Copying to the other region")

    def progress(self, ids: Sequence[str]) -> dict[str, Progress]:
        """Say how these stand; see `portal.clouds.api.Cloud.progress`."""
        copies = {id_: on for id_ in ids for verb, on, _ in [_decode(id_)] if verb == _COPY}
        others = [id_ for id_ in ids if id_ not in copies]
        if len(others) <= FEW:
            found = {each: self._one(each) for each in others}
        else:
            found = self._many(others)
        return found | self._copied(copies)

    def _copied(self, copies: Mapping[str, str]) -> dict[str, Progress]:
        """One list for many: snapshots alone say how much of them is there."""
        if not copies:
            return {}
        if len(copies) <= FEW:
            listed = [self._snapshot(on) for on in copies.values()]
        else:
            listed = [*self._session.call(partial(wire.list_all, kind=wire.SNAPSHOT))]
        found = {wire.id_of(each): each for each in listed if each is not None}
        return {id_: _copied(found.get(on)) for id_, on in copies.items()}

    def _snapshot(self, on: str) -> wire.Json | None:
        try:
            return self._session.call(lambda client: wire.read(client, on))
        except NotFound:
            return None

    def _one(self, id_: str) -> Progress:
        verb, on, token = _decode(id_)
        if verb == _AGENT:
            return self._by_agent(on)
        if not token:
            return self._by_resource(on)
        try:
            return self._by_token(verb, on, token)
        except (NotFound, ValueError):
            # The record has expired, or another version of the SDK wrote the token.
            return self._by_resource(on)

    def _by_token(self, verb: str, on: str, token: str) -> Progress:
        group, name = wire.group_and_name(on)
        # A PUT or PATCH is not sent again: with a token, the body is ignored.
        arguments = [group, name, {}] if _has_body(verb) else [group, name]

        def step(client: ComputeManagementClient) -> StepPolling:
            polling = StepPolling(retry_total=0)
            _method(client, verb)(*arguments, polling=polling, continuation_token=token)
            try:
                polling.step()
            except (BadStatus, BadResponse) as error:
                # Neither is an AzureError, and neither has the answer in it.
                if not _is_final_refusal(polling.last_answer.status_code):
                    raise HttpResponseError(response=polling.last_answer) from error
            if verb == RUN_COMMAND:
                polling.finish()
            return polling

        polling = self._session.call(step)
        found = _verdict(polling)
        if verb == RUN_COMMAND and found.state != Progress.RUNNING:
            return self._by_guest(on, found, polling.last_answer)
        return found

    def _by_guest(self, on: str, found: Progress, answer: Any) -> Progress:
        """What a guest was told lasts until it is off, with or without the command's answer."""
        vm = self._session.call(lambda client: wire.read(client, on))
        if wire.raw_power(vm) != "running":
            return Progress(Progress.DONE, 100)
        if found.state == Progress.FAILED:
            return found
        if failure := guest.failure(_json_of(answer)):
            return Progress(Progress.FAILED, detail=failure)
        return Progress(Progress.RUNNING)

    def _by_agent(self, on: str) -> Progress:
        try:
            vm = self._session.call(lambda client: wire.read(client, on))
        except NotFound:
            return Progress(Progress.DONE, 100)
        is_coming = wire.raw_power(vm) == "running" and not wire.is_agent_ready(vm)
        return Progress(Progress.RUNNING) if is_coming else Progress(Progress.DONE, 100)

    def _by_resource(self, on: str) -> Progress:
        try:
            found = self._session.call(lambda client: wire.read(client, on))
        except NotFound:
            return Progress(Progress.DONE, 100)
        return _progress_of(wire.provisioning(found))

    def _many(self, ids: Sequence[str]) -> dict[str, Progress]:
        """One list per type of resource, and a look at those that have ended by it."""
        targets = {id_: _decode(id_)[1] for id_ in ids}
        states: dict[str, str] = {}
        for kind in sorted({wire.kind_of(on) for on in targets.values()}):
            listed = self._session.call(partial(wire.list_all, kind=kind))
            states |= {wire.id_of(item): wire.provisioning(item) for item in listed}
        found = {id_: _progress_of(states.get(on, "Succeeded")) for id_, on in targets.items()}
        ended = [id_ for id_, progress in found.items() if progress.state != Progress.RUNNING]
        # A resource that rests says neither that it got there nor why not; its operation does.
        found |= {id_: self._one(id_) for id_ in ended[:MOST_ENDED]}
        return found | {id_: Progress(Progress.RUNNING) for id_ in ended[MOST_ENDED:]}


def _verdict(polling: StepPolling) -> Progress:
    answer = polling.last_answer
    if answer.status_code < 400 and not polling.is_over:
        return Progress(Progress.RUNNING)
    if answer.status_code < 400 and polling.status().lower() == "succeeded":
        return Progress(Progress.DONE, 100)
    failure = from_answer(answer.status_code, *_error_of(answer))
    return Progress(Progress.FAILED, detail=f"{failure} {failure.advice}".strip())


def _progress_of(provisioning: str) -> Progress:
    state = provisioning.lower()
    if state == "failed":
        return Progress(Progress.FAILED, detail="Azure says that the operation failed.")
    if state in ("succeeded", "canceled"):
        return Progress(Progress.DONE, 100)
    return Progress(Progress.RUNNING)


def _copied(snapshot: wire.Json | None) -> Progress:
    """A copy that is gone is done: the verb asked next finds that out."""
    if snapshot is None:
        return Progress(Progress.DONE, 100)
    if error := wire.copy_error(snapshot):
        return Progress(Progress.FAILED, detail=error)
    percent = wire.percent(snapshot)
    if percent >= 100:
        return Progress(Progress.DONE, 100)
    size = wire.size_bytes(snapshot)
    said = f"{size * percent / 100 / wire.GIB:.1f} of {size / wire.GIB:.1f} GiB copied"
    return Progress(Progress.RUNNING, int(percent), said)


def _is_final_refusal(status: int) -> bool:
    """Followed by Location alone, an operation that failed answers with its refusal."""
    return status in (400, 409, 412)


def _error_of(answer: Any) -> tuple[str, str]:
    """Code and message of an error body; a body that is none of JSON has neither."""
    body = _json_of(answer)
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", f"Azure answered {answer.status_code}."
    code = str(error.get("code") or "")
    return code, str(error.get("message") or code)


def _json_of(answer: Any) -> Any:
    """The JSON of an answer, None where it is none."""
    try:
        return json.loads(answer.text())
    except ValueError:
        return None


def _method(client: ComputeManagementClient, verb: str) -> Begin:
    group, _, name = verb.partition(".")
    method: Begin = getattr(getattr(client, group), name)
    return method


def _has_body(verb: str) -> bool:
    return verb == RUN_COMMAND or verb.endswith(("_create_or_update", "_update", "_data_disks"))


def _encode(verb: str, on: str, token: str) -> str:
    """The token holds signed addresses: it stands where no page shows it."""
    name = f"{verb.rpartition('.')[2].removeprefix('begin_') or 'watch'}:{on.rpartition('/')[2]}"
    parts = {"verb": verb, "on": on.lower(), "token": token}
    return f"{name} {json.dumps(parts, separators=(',', ':'))}"


def _decode(id_: str) -> tuple[str, str, str]:
    try:
        given = json.loads(id_.partition(" ")[2])
        return given["verb"], given["on"], given["token"]
    except (ValueError, KeyError, TypeError) as error:
        raise CloudRefused(f"{id_[:40]} is not an operation of Azure.") from error
