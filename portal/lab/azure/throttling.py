"""How many calls are left, said in headers, and refused when there are none (reference 7.10).

Calls are counted by the front door, for reads, writes and deletes of the subscription, and by
the compute provider, by what is asked of which resource. Every window fills up steadily.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portal.lab.azure.model import SUBSCRIPTION, Bucket
from portal.lab.azure.refusals import ArmRefusal
from portal.lab.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portal.lab.azure.cloud import AzureCloud

PROVIDER = "microsoft.compute"
KINDS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}
# Calls at once, and the seconds in which as many come back.
DOOR = {"reads": (250, 10), "writes": (200, 20), "deletes": (200, 20)}
# Windows of a policy: its suffix, its length in seconds, and how many times the calls it takes.
WINDOWS = (("3Min", 180, 1), ("30Min", 1800, 8))


class Policy(NamedTuple):
    """So many calls in three minutes, of one resource or of the whole subscription."""

    name: str
    calls: int
    is_of_resource: bool = False


class _Window(NamedTuple):
    key: str
    label: str
    size: int
    seconds: int


# Type of resource, and the method where there is a name, else "list".
POLICIES = {
    ("virtualmachines", "GET"): Policy("GetVM", 36, True),
    ("virtualmachines", "list"): Policy("HighCostGet", 900),
    ("virtualmachines", "PUT"): Policy("CreateVM", 12, True),
    ("virtualmachines", "PATCH"): Policy("UpdateVM", 12, True),
    ("virtualmachines", "POST"): Policy("UpdateVM", 12, True),
    ("virtualmachines", "DELETE"): Policy("DeleteVM", 12, True),
    ("disks", "PUT"): Policy("CreateUpdateDisks", 1000),
    ("disks", "PATCH"): Policy("CreateUpdateDisks", 1000),
    ("disks", "DELETE"): Policy("DeleteDisks", 1000),
    ("snapshots", "PUT"): Policy("HighCostSnapshotCreateHydrate", 1000),
    ("snapshots", "PATCH"): Policy("CreateUpdateSnapshots", 1000),
    ("snapshots", "DELETE"): Policy("DeleteSnapshots", 1000),
    ("operations", "GET"): Policy("GetOperation", 15000),
}
LOW_COST = Policy("LowCostGet", 15000)


def count(cloud: AzureCloud, method: str, path: str) -> dict[str, str]:
    """Count a call; return the headers that say what is left.

    429 with Retry-After when nothing was left, if the dialect says so: such a call is not counted.
    """
    windows = list(_windows(method, path))
    buckets = [_filled(cloud, window) for window in windows]
    if cloud.dialect.is_throttled:
        for window, bucket in zip(windows, buckets, strict=True):
            if bucket.left < 1:
                raise _refusal(window, bucket)
    for bucket in buckets:
        bucket.left = max(0.0, bucket.left - 1)
    return _headers(windows, buckets)


def _windows(method: str, path: str) -> Iterator[_Window]:
    kind = KINDS.get(method, "writes")
    size, seconds = DOOR[kind]
    yield _Window(kind, f"x-ms-ratelimit-remaining-subscription-{kind}", size, seconds)
    parts = path.lower().strip("/").split("/")
    if PROVIDER not in parts or len(parts) <= parts.index(PROVIDER) + 1:
        return
    policy = _policy(method, parts[parts.index(PROVIDER) + 1 :])
    resource = "/".join(parts[:8]) if policy.is_of_resource else ""
    for suffix, length, times in WINDOWS:
        label = f"Microsoft.Compute/{policy.name}{suffix}"
        yield _Window(f"{label} {resource}", label, policy.calls * times, length)


def _policy(method: str, parts: list[str]) -> Policy:
    kind, is_one = parts[0], len(parts) > 1
    if kind == "locations":
        kind = "operations" if len(parts) > 3 else "usages"
    wanted = method if is_one else "list"
    return POLICIES.get((kind, wanted), LOW_COST)


def _filled(cloud: AzureCloud, window: _Window) -> Bucket:
    bucket = cloud.buckets.setdefault(window.key, Bucket(window.size, cloud.now))
    passed = (cloud.now - bucket.at) / SECOND
    bucket.left = min(window.size, bucket.left + passed * window.size / window.seconds)
    bucket.at = cloud.now
    return bucket


def _refusal(window: _Window, bucket: Bucket) -> ArmRefusal:
    wait = max(1, round((1 - bucket.left) * window.seconds / window.size))
    if window.key in DOOR:
        said = (
            f"Number of {window.key} for subscription '{SUBSCRIPTION}' exceeded the limit. "
            "Please try again later."
        )
        headers = {"Retry-After": str(wait), window.label: "0"}
        return ArmRefusal(429, "TooManyRequests", said, headers=headers)
    said = (
        "The server rejected the request because too many requests have been received for this "
        f"subscription: {window.label}."
    )
    left = {"x-ms-ratelimit-remaining-resource": f"{window.label};0"}
    return ArmRefusal(429, "OperationNotAllowed", said, headers={"Retry-After": str(wait), **left})


def _headers(windows: list[_Window], buckets: list[Bucket]) -> dict[str, str]:
    left = [int(bucket.left) for bucket in buckets]
    found = {windows[0].label: str(left[0])}
    if len(windows) > 1:
        of_policy = zip(windows[1:], left[1:], strict=True)
        said = ",".join(f"{window.label};{rest}" for window, rest in of_policy)
        found["x-ms-ratelimit-remaining-resource"] = said
    return found
