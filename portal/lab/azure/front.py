"""The HTTP side of the emulated Azure: token endpoint, bearer, api-version, routes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace

from portal.lab.app import Call, read_json
from portal.lab.azure.cloud import AzureCloud
from portal.lab.azure.control import CONTROL
from portal.lab.azure.refusals import ArmRefusal, error_body, invalid
from portal.lab.azure.routes import ARM, TOKENS
from portal.lab.azure.tokens import check_bearer, expired, is_sign_in, token_error
from portal.lab.clock import from_usecs
from portal.lab.routing import Answer, Refusal

_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(-preview)?$")


class AzureFront:
    """One port for token endpoint and Resource Manager, as ``base`` is seen from outside."""

    control = CONTROL
    headers: Mapping[str, str] = {"Server": "Microsoft-HTTPAPI/2.0 (lab)"}

    def __init__(self, cloud: AzureCloud, base: str) -> None:
        self.site = cloud
        cloud.base = base
        self._answers = 0

    def path(self, segments: list[str]) -> str:
        return "/" + "/".join(segments)

    def has_session(self, call: Call) -> bool:
        return "authorization" in call.headers

    def expire(self, call: Call) -> Answer:
        self.site.access.generation += 1
        return expired().answer()

    def error(self, path: str, message: str, status: int) -> object:
        if is_sign_in(path.split("/")):
            return token_error(status, message)
        codes = {429: "TooManyRequests", 503: "ServiceUnavailable", 500: "InternalServerError"}
        return error_body(codes.get(status, "LabFault"), message)

    def answer(self, call: Call) -> Answer:
        answer = self._answer(call)
        return replace(answer, headers={**self._stamps(call), **answer.headers})

    def _stamps(self, call: Call) -> dict[str, str]:
        """What the front door puts on every answer; numbers are those of a run, not random."""
        self._answers += 1
        number = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.site.name}/{self._answers}"))
        at = from_usecs(call.request.at)
        stamps = {
            "x-ms-request-id": number,
            "x-ms-correlation-request-id": number,
            "x-ms-routing-request-id": f"WESTEUROPE:{at:%Y%m%dT%H%M%SZ}:{number}",
        }
        if call.headers.get("x-ms-return-client-request-id", "").lower() == "true":
            stamps["x-ms-client-request-id"] = call.headers.get("x-ms-client-request-id", "")
        return stamps

    def _answer(self, call: Call) -> Answer:
        try:
            return self._handle(call)
        except ArmRefusal as refusal:
            return refusal.answer()
        except Refusal as refusal:
            code = {404: "InvalidResourceType", 405: "MethodNotAllowed"}.get(refusal.status)
            body = error_body(code or "InvalidRequestContent", str(refusal))
            return Answer(body, refusal.status)

    def _handle(self, call: Call) -> Answer:
        # Azure takes any casing in a path, and keeps the one a name was given.
        folded = [segment.lower() for segment in call.segments]
        request = call.request
        if is_sign_in(folded):
            handler, params = TOKENS.find(request.method, folded, call.segments)
            return handler(self.site, replace(request, params=params))
        check_bearer(self.site, call.headers.get("authorization"))
        version = request.query.get("api-version", "")
        if not version:
            raise invalid(
                "The api-version query parameter (?api-version=) is required for all requests.",
                code="MissingApiVersionParameter",
            )
        if not _VERSION.match(version):
            raise invalid(
                f"The api-version '{version}' is invalid.", code="InvalidApiVersionParameter"
            )
        handler, params = ARM.find(request.method, folded, call.segments)
        body = read_json(request.body)
        return handler(self.site, replace(request, body=body, params=params))
