"""The environment every test runs in, whatever the shell's is. A pytest plugin (see addopts).

Loaded before pytest-django reads the settings, which is why it is not in conftest.py.
SQLite in a file unless TEST_DATABASE_URL names another database.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

_ROOT = Path(__file__).resolve().parent.parent


def _read_by_settings() -> list[str]:
    """Return the name of every variable settings.py reads: a shell's own must not reach a test."""
    source = (_ROOT / "portal" / "settings.py").read_text()
    return re.findall(r"""\benv\.\w+\(\s*"([A-Z_]+)\"""", source)


def enter() -> Path:
    """Set the environment up; return the temporary data folder it points to."""
    for name in _read_by_settings():
        os.environ.pop(name, None)
    directory = Path(tempfile.mkdtemp(prefix="standby-test-"))
    # Nothing is collected for a test; whitenoise warns if the folder is not there.
    (directory / "static").mkdir()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "STANDBY_DATA_DIR": str(directory),
        # Loopback endpoints are allowed, and PostgreSQL does not mean production.
        "STANDBY_DEMO": "true",
        "SECRET_KEY": "a key for tests only",
        "STATICFILES_BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
        # Playwright's synchronous interface runs an event loop in the test's thread.
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        # A live server's threads that are kept alive must not keep a database from being dropped.
        "CONN_MAX_AGE": "0",
        "no_proxy": "127.0.0.1,localhost",
    }
    if url := os.environ.get("TEST_DATABASE_URL"):
        os.environ["DATABASE_URL"] = url
    return directory


DATA_DIR = enter()


def database_url() -> str:
    """The DATABASE_URL by which another process shares the database of this one."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    base, _, query = os.environ["TEST_DATABASE_URL"].partition("?")
    return f"{base.rpartition('/')[0]}/{name}?{query}"


def pytest_configure() -> None:
    """Set what only the tests' own process is to do otherwise; the product's do as they would."""
    # Slow on purpose is what Django's own is: a third of a second for each password.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_report_header() -> str:
    kind = os.environ.get("TEST_DATABASE_URL", "sqlite").partition(":")[0]
    return f"database: {kind}"


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    shutil.rmtree(DATA_DIR, ignore_errors=True)
