"""What portal/deployment holds is what the programs that read it take."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "portal" / "deployment"
UNITS = sorted(path for path in FOLDER.glob("standby*") if path.suffix in {
    ".service", ".socket", ".target", ".timer"})  # fmt: skip
SERVICES = [path for path in UNITS if path.suffix == ".service"]
# Of 10; systemd calls what is above 5 medium.
MOST_EXPOSED = 2.0


def _run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the machine's; the test is skipped where it is missing."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program} on this machine")
    return subprocess.run([path, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units as they would be installed, with this checkout in place of /opt/standby."""
    environment = tmp_path / "standby.env"
    environment.touch()
    made = []
    for path in UNITS:
        text = path.read_text().replace("/opt/standby/current", str(ROOT))
        # The tests' programs lie in no place that ProtectHome and such would hide from verify.
        copy = tmp_path / path.name
        copy.write_text(text.replace("/etc/standby/standby.env", str(environment)))
        made.append(str(copy))
    return made


def test_systemd_takes_the_units(units: list[str]) -> None:
    done = _run("systemd-analyze", "verify", "--man=no", *units)
    # Only what is said of ours: a machine's own units have faults of their own.
    ours = [line for line in done.stderr.splitlines() if "standby" in line]
    assert not ours, "\n".join(ours)


def test_a_unit_that_is_wrong_is_noticed(units: list[str], tmp_path: Path) -> None:
    web = tmp_path / "standby-web.service"
    web.write_text(web.read_text().replace("KillMode=mixed", "KillMode=mixd"))
    done = _run("systemd-analyze", "verify", "--man=no", str(web))
    assert "mixd" in done.stderr


@pytest.mark.parametrize("name", [path.name for path in SERVICES])
def test_a_service_may_do_little(name: str, units: list[str], tmp_path: Path) -> None:
    done = _run("systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / name))
    said = re.search(r"exposure level for .*: ([\d.]+)", done.stdout)
    assert said, done.stderr
    assert float(said.group(1)) <= MOST_EXPOSED


def test_all_services_are_closed_alike() -> None:
    def closed(path: Path) -> list[str]:
        _, _, rest = path.read_text().partition("# No rights but its own")
        return rest.partition("[Install]")[0].strip().splitlines()

    first, *others = SERVICES
    assert len(closed(first)) > 20
    assert all(closed(path) == closed(first) for path in others)


def test_the_example_of_the_environment_names_what_is_read() -> None:
    read = set(re.findall(r"""\benv\.\w+\(\s*"([A-Z_]+)\"""", _source("portal/settings.py")))
    read |= set(re.findall(r'environ\.get\("([A-Z_]+)"', _source("portal/deployment/gunicorn.py")))
    named = re.findall(
        r"^(?:# )?([A-Z_]+)=", _source("portal/deployment/standby.env.example"), re.M
    )
    assert set(named) <= read
    assert {"DATABASE_URL", "SECRET_KEY", "SECRETS_KEYS", "ALLOWED_HOSTS", "TRUST_PROXY"} <= set(
        named
    )


def _source(path: str) -> str:
    return (ROOT / path).read_text()


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("standby.example.org")
    (tmp_path / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    (tmp_path / "fullchain.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    text = (FOLDER / "nginx.conf").read_text().replace("/etc/standby/tls", str(tmp_path))
    # Ports of ours, so that it can be looked at without rights.
    text = re.sub(r"listen (\[::\]:)?(80|443)", r"listen \g<1>18\2", text)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off;\n{text}}}\n"
    )
    done = _run("nginx", "-t", "-q", "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr")
    assert (done.returncode, done.stderr) == (0, "")
