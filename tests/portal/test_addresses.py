"""Addresses looked up once are those `reverse` gives."""

from __future__ import annotations

import uuid

import pytest
from django.test import override_settings
from django.urls import NoReverseMatch, reverse, set_script_prefix

from portal.addresses import address


def test_it_is_what_reverse_gives() -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    for first, second in ((one, other), (other, one), (one, one)):
        expected = reverse("volumes:volume_detail", args=[first, second])
        assert address("volumes:volume_detail", first, second) == expected
    assert address("portal:home") == reverse("portal:home")


def test_what_the_server_puts_before_it_is_kept() -> None:
    account = uuid.uuid4()
    plain = address("volumes:volume_list", account)
    try:
        set_script_prefix("/standby{0}/")
        assert address("volumes:volume_list", account) == f"/standby%7B0%7D{plain}"
    finally:
        set_script_prefix("/")
    assert address("volumes:volume_list", account) == plain


def test_what_is_not_served_has_none() -> None:
    assert address("portal:home")
    with override_settings(ROOT_URLCONF="csp.urls_of_nobody"), pytest.raises(ImportError):
        address("portal:home")
    with pytest.raises(NoReverseMatch):
        address("portal:nowhere")
