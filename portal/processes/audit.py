"""Asks for known vulnerabilities of what is installed; run by `make audit`.

Not part of the gate: it needs the network, and its answer changes without a change of ours.
pip-audit reads a lock file and asks for each package by name and version; it installs nothing.
It ends well, too, where nobody could tell it anything; that is said here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
CLEAN, FOUND, NOT_ASKED = 0, 1, 2
COMMAND = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")


def main() -> int:
    """Audit the locks; 0: nothing is known, 1: something is, 2: not all could be asked about."""
    locks = [Path(name) for name in sys.argv[1:]] or [ROOT / name for name in LOCKS]
    results = [audit(lock) for lock in locks]
    return FOUND if FOUND in results else max(results)


def audit(lock: Path) -> int:
    """Audit one lock file, and say how it stands."""
    asked = [sys.executable, "-m", "pip_audit", *COMMAND, "-r", str(lock)]
    done = subprocess.run(  # noqa: S603  # fixed arguments, and a lock file of ours
        asked, capture_output=True, text=True, check=False
    )
    try:
        told = json.loads(done.stdout)["dependencies"]
    except ValueError:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        print(f"{lock.name}: not audited. {lines[-1][:300] if lines else 'No reason was given.'}")
        return NOT_ASKED
    return verdict(lock.name, told)


def verdict(name: str, told: list[dict[str, Any]]) -> int:
    """Print what is known of a lock's packages; return the exit code for it."""
    known = [(each, problem) for each in told for problem in each.get("vulns", [])]
    unasked = [each for each in told if "skip_reason" in each]
    for each, problem in known:
        fixed = ", ".join(problem["fix_versions"]) or "no version"
        print(f"{name}: {each['name']} {each['version']}: {problem['id']}, mended in {fixed}")
    print(f"{name}: {len(told)} packages, {len(known)} known vulnerabilities.")
    if known:
        return FOUND
    if unasked:
        said = unasked[0]["skip_reason"]
        print(f"{name}: nothing could be learned of {len(unasked)} of them. The first: {said}.")
        return NOT_ASKED
    return CLEAN


if __name__ == "__main__":
    sys.exit(main())
