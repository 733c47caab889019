"""Where endpoints may lead: forms of addresses in which people have hidden a machine of ours."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings

from portal.endpoints import checked_endpoint, checked_webhook, objection_to

NETWORKS = [ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd20::/32")]
LOOPBACK, SECRETS = "this machine", "tells secrets"


@pytest.fixture(autouse=True)
def _as_deployed() -> Iterator[None]:
    """Without the demo's exception for this machine."""
    with override_settings(ALLOW_LOOPBACK_CLOUDS=False):
        yield


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("0177.0.0.1", LOOPBACK),
        ("127.1", LOOPBACK),
        ("0x7f.0.0.1", LOOPBACK),
        ("017700000001", LOOPBACK),
        ("①②⑦.0.0.1", LOOPBACK),
        ("LOCALHOST", LOOPBACK),
        ("[::ffff:7f00:1]", LOOPBACK),
        ("[::127.0.0.1]", LOOPBACK),
        ("[64:ff9b::7f00:1]", LOOPBACK),
        ("[2002:7f00:1::]", LOOPBACK),
        ("[::ffff:169.254.169.254]", "link-local"),
        ("2852039166", "link-local"),
        ("[64:ff9b::a9fe:a9fe]", "link-local"),
        ("168.63.129.16", SECRETS),
        ("100.100.100.200", SECRETS),
        ("[fd00:ec2::254]", SECRETS),
        ("255.255.255.255", "no machine"),
        ("240.0.0.1", "no machine"),
        ("[ff02::1]", "multicast"),
    ],
)
def test_a_machine_of_ours_is_known_in_every_form(host: str, said: str) -> None:
    for check in (checked_endpoint, checked_webhook):
        with pytest.raises(ValidationError, match=said):
            check(f"https://{host}")


@pytest.mark.parametrize("host", ["10.1.2.3", "192.168.7.7", "172.16.0.9", "[fd12::9]", "8.8.8.8"])
def test_private_networks_are_where_clusters_live(host: str) -> None:
    assert checked_endpoint(f"https://{host}") == f"https://{host}:9440"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://10.1.2.3:0", "port must be"),
        ("https://10.1.2.3:-1", "port must be"),
        ("https://10.1.2.3:65536", "port must be"),
        ("https://10.1.2.3:٩٤٤٠", "port must be"),
        ("https://10.1.2.3\\@127.0.0.1", "user and password"),
        ("https://10.1.2.3@127.0.0.1", "user and password"),
        ("https://10.1.2.3 .example", "Enter an address"),
        ("https://[10.1.2.3]", "Enter an address"),
        ("https://[::1", "Enter an address"),
        ("file:///etc/passwd", "begin with https"),
        ("gopher://10.1.2.3", "begin with https"),
        ("javascript:alert(1)", "begin with https"),
        ("//10.1.2.3", "begin with https"),
        ("http://10.1.2.3", "begin with https"),
    ],
)
def test_what_is_no_plain_https_address_is_refused(address: str, said: str) -> None:
    for check in (checked_endpoint, checked_webhook):
        with pytest.raises(ValidationError, match=said):
            check(address)


@override_settings(ENDPOINT_NETWORKS=NETWORKS)
@pytest.mark.parametrize(
    ("number", "is_allowed"),
    [
        ("10.20.7.7", True),
        ("fd20::7", True),
        ("::ffff:10.20.7.7", True),
        ("10.21.0.1", False),
        ("203.0.113.7", False),
        ("fd21::7", False),
    ],
)
def test_a_deployment_may_name_the_networks_it_allows(number: str, is_allowed: bool) -> None:
    said = objection_to(number)
    assert said == ("" if is_allowed else "outside the networks that this deployment allows")


@override_settings(ENDPOINT_NETWORKS=[ipaddress.ip_network("127.0.0.0/8")])
def test_no_list_of_networks_opens_this_machine() -> None:
    assert objection_to("127.0.0.1")
    assert objection_to("169.254.169.254")
