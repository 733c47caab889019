"""Signed-in browsers for the tests of these pages."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client

from portal.models import User
from tests.reporting.pages import SignIn


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


@pytest.fixture
def reader(auditor: User, sign_in: SignIn) -> Client:
    return sign_in(auditor)


@pytest.fixture
def outsider(stranger: User, sign_in: SignIn) -> Client:
    return sign_in(stranger)


@pytest.fixture
def periods(db: None) -> None:
    """The rows of data availability: tests that use real processes empty all tables."""
    import_module("reporting.migrations.0002_data_availability").fill(apps, None)
