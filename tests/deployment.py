"""Checks the project as a deployment would run it: settings, and no migration missing.

Run by `make check`. The environment is a production one, with made-up keys; nothing connects.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from cryptography.fernet import Fernet

COMMANDS = (
    ("check", "--deploy", "--fail-level=WARNING"),
    ("makemigrations", "--check", "--dry-run"),
)


def production(data_dir: str) -> dict[str, str]:
    """Return a complete production environment that points at no real server."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "DATABASE_URL": "postgres://standby@/standby?host=/nonexistent",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-made-up-for-this-check-only",
        "SECRETS_KEYS": Fernet.generate_key().decode(),
        "ALLOWED_HOSTS": "standby.example",
        "STANDBY_DATA_DIR": data_dir,
        # makemigrations warns when it cannot look into the database, which is not ours to check.
        "PYTHONWARNINGS": "ignore::RuntimeWarning",
    }


def main() -> int:
    """Run the checks in turn; return the first failure's exit code."""
    with tempfile.TemporaryDirectory(prefix="standby-check-") as data_dir:
        for command in COMMANDS:
            done = subprocess.run(
                [sys.executable, "manage.py", *command], env=production(data_dir), check=False
            )
            if done.returncode != 0:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
