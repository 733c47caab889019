"""Refusals in Azure's form: a status, a code, a message (reference 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.lab.routing import Answer, Refusal


class ArmRefusal(Refusal):
    """``error_code`` is what clients decide by."""

    def __init__(
        self, status: int, code: str, message: str, *, target: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, status)
        self.error_code = code
        self.target = target
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """Return it as it goes over the wire."""
        return Answer(
            error_body(self.error_code, str(self), self.target), self.status, self.headers
        )


def error_body(code: str, message: str, target: str = "") -> dict[str, Any]:
    """Return the body of an error."""
    error = {"code": code, "message": message}
    return {"error": error | ({"target": target} if target else {})}


def not_found(id_: str) -> ArmRefusal:
    """404 as the front door says it."""
    parts = id_.strip("/").split("/")
    kind, name = "/".join(parts[5:7]), parts[-1]
    group = parts[3] if len(parts) > 3 else ""
    return ArmRefusal(
        404, "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found.",
        headers={"x-ms-failure-cause": "gateway"},
    )  # fmt: skip


def invalid(message: str, target: str = "", code: str = "InvalidParameter") -> ArmRefusal:
    """400: the request makes no sense."""
    return ArmRefusal(400, code, message, target=target)
