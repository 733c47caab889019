"""Makes `.venv` from a hashed lock file; run by make, with the system's Python 3.11.

Standard library only: nothing is installed yet. uv is used where it can be had, as it
takes seconds where pip takes half a minute; the lock file's hashes hold for both.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# What the environment takes on disk, with room for both installers' temporary files.
NEEDED_BYTES = {"demo": 600 * 2**20, "dev": 1500 * 2**20}


class Stop(Exception):
    """Set-up cannot go on; the message is a plain sentence."""


def main() -> int:
    """Install the lock named on the command line (demo or dev), unless that has been done."""
    name = sys.argv[1]
    try:
        if not is_installed(name):
            install(name)
    except Stop as reason:
        print(reason, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Set-up failed: {error.strerror}: {error.filename}.", file=sys.stderr)
        return 1
    return 0


def is_installed(name: str) -> bool:
    """Whether `.venv` holds this lock, or the dev lock, which holds all of it."""
    return has_python() and any(
        stamp(lock).exists() and stamp(lock).read_text() == digest(lock) for lock in (name, "dev")
    )


def has_python() -> bool:
    """Whether `.venv` has a Python that runs; a system upgrade may have taken it away."""
    return PYTHON.exists() and run(PYTHON, "-c", "", quiet=True)


def stamp(name: str) -> Path:
    return VENV / f"installed-{name}"


def digest(name: str) -> str:
    return hashlib.sha256(lock_file(name).read_bytes()).hexdigest()


def lock_file(name: str) -> Path:
    return ROOT / f"requirements-{name}.lock"


def install(name: str) -> None:
    """Make `.venv` if need be, install the lock into it, and leave the stamp."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES[name]:
        raise Stop(
            f"Set-up needs {NEEDED_BYTES[name] // 2**20} MB of free disk space in {ROOT}; "
            f"there are {free // 2**20} MB."
        )
    packages = len(re.findall(r"^\S+==", lock_file(name).read_text(), re.MULTILINE))
    print(f"Setting up .venv: {packages} packages, once. This takes up to a minute.", flush=True)
    venv.create(VENV, with_pip=True, clear=not has_python())
    if not (install_uv() and run(*uv(), "-r", lock_file(name))):
        print("Installing with pip; this takes a little longer.", flush=True)
        if not run(PYTHON, "-m", "pip", "install", *HASHED, "-r", lock_file(name)):
            raise Stop("The packages could not be installed; the lines above say why.")
    stamp(name).write_text(digest(name))
    print("Set-up is done.", flush=True)


HASHED = ("--require-hashes", "--disable-pip-version-check", "--progress-bar=on")


def uv() -> tuple[str | Path, ...]:
    # On a terminal uv shows its progress; elsewhere it would list every package.
    quiet = () if sys.stderr.isatty() else ("--quiet",)
    return (VENV / "bin" / "uv", "pip", "install", "--python", PYTHON, "--require-hashes", *quiet)


def install_uv() -> bool:
    """Install the uv of the dev lock, quietly; false if that does not work here."""
    found = re.search(r"^uv==.*?(?=^\S)", lock_file("dev").read_text() + "\nend", re.M | re.S)
    if found is None:
        return False
    wanted = VENV / "uv.txt"
    wanted.write_text(found[0])
    return run(PYTHON, "-m", "pip", "install", "-q", *HASHED[:2], "-r", wanted, quiet=True)


def run(*command: str | Path, quiet: bool = False) -> bool:
    """Run a command; whether it ended well. A shell's own Python settings do not reach it."""
    output = subprocess.DEVNULL if quiet else None
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")
    }
    done = subprocess.run(  # noqa: S603 (commands of our own)
        [str(word) for word in command],
        stdout=output,
        stderr=output,
        env=environment,
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Set-up was interrupted; run the same command again.")
