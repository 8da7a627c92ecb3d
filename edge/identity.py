"""Which machine this is and which boot: what binds a ledger's epoch and its monotonic times."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

# The board's own number comes first: a cloned card brings its machine-id along, not its board.
_BOARD = "sys/firmware/devicetree/base/serial-number"
_INSTALLATION = "etc/machine-id"
_BOOT = "proc/sys/kernel/random/boot_id"

_PROCESS = uuid.uuid4().hex


def machine_identity(root: Path = Path("/")) -> str | None:
    """A digest of the board's serial number, else of the machine-id; None where neither is known.

    A digest, because machine-id(5) asks not to hand the id itself around.
    """
    for path in (_BOARD, _INSTALLATION):
        text = _read(root / path)
        if text:
            return hashlib.sha256(f"headcount {path} {text}".encode()).hexdigest()[:32]
    return None


def boot_identity(root: Path = Path("/")) -> str:
    """The kernel's boot id; where a sandbox hides it, an id of this process.

    Monotonic times can be compared within one such id.
    """
    return _read(root / _BOOT).replace("-", "") or _PROCESS


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip("\0\n ")
    except OSError:
        return ""
