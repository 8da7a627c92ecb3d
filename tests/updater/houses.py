"""A device's folder of models, bundles to send there, and tests that say what they are told."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.contract.bundle import Bundle, read_bundle, write_bundle
from edge.contract.packed import pack
from edge.contract.permit import write_permit
from edge.contract.signature import load_trusted_keys, public_pem, sign_bundle, trust
from edge.updater import House, Test, Updater, Verdict
from tests.contract.bundles import FILES, SSD

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWNER = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"2" * 32)


def good(_candidate: Bundle, _before: Bundle) -> Verdict:
    """Every model passes."""
    return Verdict(good=True)


def bad(_candidate: Bundle, _before: Bundle) -> Verdict:
    """None does."""
    return Verdict(good=False, reason="it counts worse")


@dataclass
class Site:
    """A device below `folder`, and the desk of its owner beside it.

    Attributes:
        models: the device's folder of models; may be on a disk of its own.
        clock: of the device.
    """

    folder: Path
    models: Path
    clock: Callable[[], datetime] = field(default=lambda: NOON)

    def __post_init__(self) -> None:
        self.shipped = self.folder / "shipped"
        self.keys = self.folder / "keys"
        if not self.shipped.exists():
            write_bundle(self.shipped, replace(SSD, name="shipped", counter=1), FILES)
            self.keys.mkdir()
            (self.keys / "owner.pub").write_bytes(public_pem(OWNER.public_key()))
        self.packaged = {"shipped": read_bundle(self.shipped).sha256}

    def updater(self) -> Updater:
        """As a process that was started just now has it."""
        house = House(
            folder=self.models,
            shipped=self.shipped,
            judge=lambda bundle: trust(bundle, self.keys, self.packaged),
            keys=lambda: load_trusted_keys(self.keys),
            clock=self.clock,
            most=1_000_000,
        )
        return Updater(house)

    def bundle(
        self,
        counter: int,
        *,
        key: Ed25519PrivateKey | None = OWNER,
        name: str = "door",
        devices: tuple[str, ...] = ("CPU",),
        size: int = 1000,
        permit: int | None = None,
    ) -> Bundle:
        """A signed bundle on the desk."""
        variants = tuple(replace(variant, devices=devices) for variant in SSD.variants)
        manifest = replace(SSD, name=name, counter=counter, variants=variants)
        files = {**FILES, "int8/model.bin": bytes([counter]) * size}
        folder = self.folder / f"{name}-{counter}"
        made = write_bundle(folder, manifest, files)
        if key is not None:
            sign_bundle(made, key)
        if permit is not None:
            write_permit(made, permit, OWNER)
        return read_bundle(folder)

    def packed(self, counter: int, **more: object) -> bytes:
        """The same in one file."""
        file = io.BytesIO()
        pack(self.bundle(counter, **more), file)  # type: ignore[arg-type]
        return file.getvalue()

    def update(self, counter: int, test: Test = good) -> None:
        """Bring a bundle and try it."""
        self.updater().receive(io.BytesIO(self.packed(counter)))
        self.updater().settle(test)

    def in_service(self) -> str:
        """Name and counter of the model to count with."""
        manifest = self.updater().in_service().manifest
        return f"{manifest.name} {manifest.counter}"
