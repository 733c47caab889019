"""What is known of each kind of cloud without its driver: the web process loads no SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """``driver`` is ``module:class``, imported when first used.

    ``facts`` are the parts of a connection's secrets that may be shown, ``secret`` the one
    that may not. The secret was given for the endpoint and the ``bound`` facts: when one of
    them changes, it must be given again.
    """

    driver: str
    facts: tuple[str, ...]
    secret: str
    bound: tuple[str, ...] = ()
    # Endpoint and bound facts as people call them.
    place: str = "address"
    # Address and token of the guest agent gateway, without which no guest can be told to run
    # sysprep; empty where the cloud itself can tell it. Both are optional parts of the secrets.
    agent: tuple[str, ...] = ()
    # Whether one cloud account reaches several sites, so that an account must name its own.
    has_regions: bool = False


KINDS: dict[str, Kind] = {
    "ahv": Kind(
        "portal.clouds.ahv.driver:AhvCloud",
        ("user",),
        "password",
        agent=("agent_endpoint", "agent_token"),
    ),
    "azure": Kind(
        "portal.clouds.azure.driver:AzureCloud",
        ("tenant", "subscription", "client_id", "authority"),
        "client_secret",
        bound=("tenant", "subscription", "client_id", "authority"),
        place="tenant, subscription, client or address",
        has_regions=True,
    ),
}


def can_generalize(kind: str, secrets: Mapping[str, str]) -> bool:
    """Whether a clone of a server here can be generalized: a guest can be told to run sysprep."""
    return all(secrets.get(name) for name in KINDS[kind].agent)
