"""Which addresses a cloud account or a webhook may have: https, and no machine of our own.

An endpoint is called by workers with the right to reach much of the network, so it must
not be turned against them: neither by number, nor by a name that resolves to one. Clusters
live in private networks, so those are allowed; a deployment may name the networks it allows.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

PRISM_PORT = 9440
HTTPS_PORT = 443
_NOWHERE = ipaddress.ip_network("0.0.0.0/8")
# Where clouds tell a machine its own credentials, besides the link-local 169.254.169.254:
# Azure, Alibaba, AWS by IPv6.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254"))
)
# IPv6 addresses that lead to the IPv4 address in their last 32 bits: NAT64, and the old way.
_CARRIERS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def checked_endpoint(value: str, default_port: int = PRISM_PORT) -> str:
    """Return ``https://host:port``; raise ValidationError for anything else than such an address.

    A port 443 is left out, as everybody does. Without a port, it is ``default_port``.
    A name that does not resolve here is let through: Test Connection says so in the
    words of the worker, which may know other names.
    """
    parts = _split(value)
    host = parts.hostname or ""
    _refuse_ours(_addresses(host), host)
    shown = f"[{host}]" if ":" in host else host
    port = _port(parts, default_port)
    return f"https://{shown}" if port == HTTPS_PORT else f"https://{shown}:{port}"


def checked_webhook(value: str) -> str:
    """Return an address to post to, as given; raise ValidationError for anything else.

    It may have a path and a query. Plain http only where this machine may be called, and to it.
    """
    parts = _parsed(value, "https://hooks.example/standby")
    if parts.fragment:
        raise ValidationError("Leave out the # and what follows it.")
    _port(parts, HTTPS_PORT)
    host = parts.hostname or ""
    found = _addresses(host)
    _refuse_ours(found, host)
    is_here = bool(found) and all(address.is_loopback for address in found)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ValidationError("The address must begin with https://.")
    return value.strip()


def _refuse_ours(addresses: list[Address], host: str) -> None:
    for address in addresses:
        if reason := _objection(address):
            raise ValidationError(f"{host} is {reason}; an endpoint must be another machine.")


def _split(value: str) -> SplitResult:
    parts = _parsed(value, "https://cluster.example:9440")
    if parts.scheme != "https":
        raise ValidationError("The address must begin with https://.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValidationError("Leave out everything after the host and the port.")
    return parts


def _parsed(value: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(value.strip())
    except ValueError as error:
        raise ValidationError(f"Enter an address such as {example}.") from error
    if parts.scheme not in ("http", "https"):
        raise ValidationError("The address must begin with https://.")
    if not parts.hostname or any(c.isspace() for c in parts.netloc):
        raise ValidationError(f"Enter an address such as {example}.")
    if parts.username or parts.password:
        raise ValidationError("Leave user and password out of the address.")
    return parts


def _port(parts: SplitResult, default: int) -> int:
    try:
        port = default if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise ValidationError("The port must be a number from 1 to 65535.")
    return port


def _addresses(host: str) -> list[Address]:
    """The numbers a host stands for: its own, in any notation, or those its name resolves to."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def objection_to(address: str) -> str:
    """Why an endpoint must not be at this number; empty when it may."""
    return _objection(ipaddress.ip_address(address))


def _objection(address: Address) -> str:
    """Why an endpoint must not be there; empty when it may."""
    address = _meant(address)
    if address.is_loopback:
        return "" if settings.ALLOW_LOOPBACK_CLOUDS else "this machine (loopback)"
    if reason := _kind_of_no_machine(address):
        return reason
    allowed = settings.ENDPOINT_NETWORKS
    if allowed and not any(address in network for network in allowed):
        return "outside the networks that this deployment allows"
    return ""


def _kind_of_no_machine(address: Address) -> str:
    """What is at an address that no endpoint has; empty for any other."""
    if address in _METADATA:
        return "an address at which a cloud tells secrets"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or address in _NOWHERE:
        return "no machine's address"
    if isinstance(address, ipaddress.IPv4Address) and address.is_reserved:  # 240.0.0.0/4
        return "no machine's address"
    return ""


def _meant(address: Address) -> Address:
    """The address itself, or the IPv4 address to which an IPv6 address leads."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback or address.is_unspecified:
        return address
    if any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
