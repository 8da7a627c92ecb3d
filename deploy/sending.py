"""Models brought to a door over ssh, and what it says of its own; `headcount model` works there."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.door import Door, as_root
from edge.contract.bundle import Bundle
from edge.contract.packed import pack
from edge.contract.signature import load_trusted_keys

TRUSTED = "/etc/headcount/trusted"
_PROGRAM = "headcount"
_PACKED = "bundle"


def public_key_id(path: Path) -> str:
    """The id of a public key in a file.

    Raises:
        BundleError: it is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, Path(folder) / "key.pub")
        (key_id,) = load_trusted_keys(Path(folder))
    return key_id


def trust_key(door: Door, path: Path) -> int:
    """Lay a public key among those that a door trusts; the exit code of doing so.

    Raises:
        WorldError: the door cannot be reached, or takes no files.
    """
    name = path.name if path.suffix == ".pub" else f"{path.name}.pub"
    with door.folder({name: path}) as folder:
        call = ["install", "-D", "-m", "644", f"{folder}/{name}", f"{TRUSTED}/{name}"]
        return door.watch(as_root(shlex.join(call)))


def push(door: Door, bundle: Bundle) -> int:
    """Bring a bundle to a door and wait for what becomes of it there; the exit code of that.

    Raises:
        WorldError: the door cannot be reached, or takes no files.
    """
    with tempfile.TemporaryDirectory() as desk:
        packed = Path(desk) / _PACKED
        with packed.open("wb") as file:
            pack(bundle, file)
        with door.folder({_PACKED: packed}) as folder:
            call = [_PROGRAM, "model", "activate", f"{folder}/{_PACKED}"]
            return door.watch(as_root(shlex.join(call)))


def tell_status(door: Door, *, as_json: bool) -> int:
    """Show which model counts at a door and how it does.

    Raises:
        WorldError: the door cannot be reached; or, with `as_json`, does not answer.
    """
    call = f"{_PROGRAM} model status"
    if as_json:
        print(door.run(as_root(f"{call} --json")))
        return 0
    print(f"{door.host}:")
    sys.stdout.flush()
    return door.watch(as_root(call))


def roll_back(door: Door) -> int:
    """Put the model in service that was before; the exit code of that.

    Raises:
        WorldError: the door cannot be reached.
    """
    return door.watch(as_root(f"{_PROGRAM} model rollback"))
