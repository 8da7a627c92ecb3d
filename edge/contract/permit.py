"""A signed leave to go back: the one exception from the rule that a device refuses older bundles.

    manifest.permit = {"permit": what is signed, as text, "signatures": the text of a manifest.sig}

It names the bundle by the sha256 of its manifest, and the counter that a device has reached by now.
Once the device has gone on from there, the same permit allows nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.contract.bundle import PERMIT, Bundle, write_file
from edge.contract.signature import (
    TrustedKeys,
    render_signatures,
    sign,
    verify,
)
from edge.contract.strict_json import canonical_json, mapping, parse_json, record, text, whole
from edge.errors import BundleError

SCHEMA = 1

_BOTH = {"permit": text, "signatures": text}


@dataclass(frozen=True, slots=True)
class Permit:
    """Lets a device whose highest counter of `name` is `floor` take the bundle of `sha256`."""

    name: str
    sha256: str  # hex digest of the bundle's manifest
    floor: int

    def to_bytes(self) -> bytes:
        """What is signed; no manifest can look like it."""
        return canonical_json(
            {
                "schema": SCHEMA,
                "permit": "downgrade",
                "name": self.name,
                "sha256": self.sha256,
                "floor": self.floor,
            }
        )


def write_permit(bundle: Bundle, floor: int, key: Ed25519PrivateKey) -> None:
    """Lay a permit into a bundle's folder, in place of one that is there.

    Raises:
        BundleError: it cannot be written.
    """
    permit = Permit(bundle.manifest.name, bundle.sha256, floor)
    content = permit.to_bytes()
    signatures = render_signatures([sign(content, key)])
    path = bundle.path(PERMIT)
    both = {"permit": content.decode(), "signatures": signatures.decode()}
    try:
        write_file(path, canonical_json(both))
    except OSError as e:
        raise BundleError(f"{path}: cannot be written: {e.strerror}") from e


def permits(bundle: Bundle, floor: int, trusted: TrustedKeys) -> bool:
    """Whether a bundle carries a trusted permit for a device that has reached `floor`.

    Raises:
        BundleError: it carries what is no permit, or a signature in it is false.
    """
    if bundle.permit_bytes is None:
        return False
    permit, signatures = _parse(bundle.permit_bytes)
    if verify(permit.to_bytes(), signatures, trusted) is None:
        return False
    return permit == Permit(bundle.manifest.name, bundle.sha256, floor)


def _parse(content: bytes) -> tuple[Permit, bytes]:
    try:
        both: dict[str, str] = record(
            dict, parse_json(content), {"permit": text, "signatures": text}
        )
        table = mapping(parse_json(both["permit"].encode()))
        if (table.pop("schema", None), table.pop("permit", None)) != (SCHEMA, "downgrade"):
            raise ValueError("is of another kind")
        permit = record(Permit, table, {"name": text, "sha256": text, "floor": whole})
    except ValueError as e:
        raise BundleError(f"{PERMIT}: is damaged ({e}); sign the bundle again") from e
    return permit, both["signatures"].encode()
