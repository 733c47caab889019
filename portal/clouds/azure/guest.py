"""What a guest is told by run command: sysprep. And how its answer is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST_REASON = 500
# Said by the script, once, at the start of a line, before how it stands.
_SAYS = "sysprep: "
_RUNS = frozenset({"started", "running"})

# It may be sent again at any time: sysprep that runs, or has ended and is about to shut down, is
# left alone. Made by WMI the process is no child of the command, which could not answer before it
# ends otherwise; most of what sysprep objects to it says in the first seconds, so those are waited
# for. Azure leaves an answer file of the first start in Panther, which the next one trips over.
SYSPREP = r"""
$ErrorActionPreference = 'Stop'
$folder = Join-Path $env:windir 'System32\Sysprep'
$setup = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State'
function Test-Ended { (Get-ItemProperty $setup).ImageState -like 'IMAGE_STATE_GENERALIZE_*' }
if ((Get-Process sysprep -ErrorAction SilentlyContinue) -or (Test-Ended)) {
  Write-Output 'sysprep: running'
  exit 0
}
Remove-Item (Join-Path $env:windir 'Panther') -Recurse -Force -ErrorAction SilentlyContinue
$line = "`"$folder\sysprep.exe`" /generalize /oobe /shutdown /quiet"
$with = @{CommandLine = $line}
$made = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments $with
if ($made.ReturnValue -ne 0) {
  Write-Output "sysprep: failed It could not be started ($($made.ReturnValue))."
  exit 0
}
Wait-Process -Id $made.ProcessId -Timeout 20 -ErrorAction SilentlyContinue
if ((Get-Process -Id $made.ProcessId -ErrorAction SilentlyContinue) -or (Test-Ended)) {
  Write-Output 'sysprep: started'
} else {
  $why = Get-Content "$folder\Panther\setuperr.log" -Tail 3 -ErrorAction SilentlyContinue
  Write-Output "sysprep: failed $($why -join ' ')"
}
"""


def command() -> dict[str, Any]:
    """Return the body of the run command."""
    return {"commandId": "RunPowerShellScript", "script": SYSPREP.strip().splitlines()}


def failure(result: Any) -> str:
    """Why sysprep does not run, or "". An answer that says nothing of it is a failure."""
    lines = [line.strip() for text in _texts(result) for line in text.splitlines()]
    for line in lines:
        if line.startswith(_SAYS):
            word, _, why = line.removeprefix(_SAYS).partition(" ")
            said = f"Sysprep failed: {why or 'it gave no reason.'}"[:LONGEST_REASON]
            return "" if word in _RUNS else said
    rest = " ".join(filter(None, lines))
    return f"The guest does not say whether sysprep runs. {rest}".strip()[:LONGEST_REASON]


def _texts(result: Any) -> list[str]:
    """What was printed; it stands in the record of the operation, or is all of the answer."""
    for name in ("properties", "output"):
        result = result.get(name, result) if isinstance(result, Mapping) else None
    values = result.get("value") if isinstance(result, Mapping) else None
    statuses = values if isinstance(values, list) else []
    found = [each.get("message") for each in statuses if isinstance(each, Mapping)]
    return [text for text in found if isinstance(text, str)]
