"""Whether a bundle may come in: who vouches for it, for what it is made, how new it is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from edge.contract.bundle import Bundle
from edge.contract.permit import permits
from edge.errors import UpdateError
from edge.updater.house import BusyError, House

_ROOM = 16 << 20  # bytes that stay free for counting


def admit(bundle: Bundle, house: House, floor: int, in_service: str) -> None:
    """Refuse what nobody vouches for, what is not for this device, what is older, what has no room.

    Args:
        bundle: of which only the manifest and its signatures are here.
        house: the device.
        floor: the highest counter that ever counted here under the bundle's name; -1: none.
        in_service: digest of the model in service.

    Raises:
        BundleError: nobody vouches for it.
        UpdateError: it is not for here.
        BusyError: the disk has no room for it.
    """
    manifest = bundle.manifest
    # People know it by its name, not by the folder in which it came.
    trust = house.judge(replace(bundle, folder=Path(f"{manifest.name} {manifest.version}")))
    made_for = {device for variant in manifest.variants for device in variant.devices}
    ours = house.devices()
    if not made_for & set(ours):
        raise UpdateError(
            f"{manifest.name} {manifest.version} is for {', '.join(sorted(made_for))}, and "
            f"this device is {' or '.join(ours)}; bundle it for that"
        )
    needed = sum(entry.size for entry in manifest.files.values()) + _ROOM
    if shutil.disk_usage(house.folder).free < needed:
        raise BusyError(
            f"{house.folder}: the disk has no room for {needed / 1e6:.0f} MB; make some"
        )
    known = trust.kind == "packaged" or bundle.sha256 == in_service
    if known or manifest.counter > floor or permits(bundle, floor, house.keys()):
        return
    raise UpdateError(
        f"{manifest.name} {manifest.version} has counter {manifest.counter}, and this device "
        f"has had {floor}; bundle it with a higher one, or sign a leave to go back"
    )
