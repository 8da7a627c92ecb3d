"""Who vouches for a bundle: Ed25519 signatures over the bytes of its manifest.

    manifest.sig = {"signatures": [{"key_id": 16 hex digits, "sig": base64 of 64 bytes}]}

Trusted keys lie in a folder, one public key (PEM, `*.pub`) a file; taking a file away withdraws
the trust. The bundles that come with the application are trusted by the sha256 of their
manifest. When a bundle is asked for, and where the keys lie, is left to others.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.contract.bundle import SIGNATURE, Bundle, write_file
from edge.contract.strict_json import canonical_json, parse_json
from edge.errors import BundleError

TrustedKeys = Mapping[str, Ed25519PublicKey]  # by key id


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key, both halves as PEM."""

    key_id: str
    private_pem: bytes
    public_pem: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a manifest."""

    key_id: str
    sig: bytes  # 64


@dataclass(frozen=True, slots=True)
class Trust:
    """Why a bundle may be used. `warning` is for the person, where nobody vouches for it."""

    kind: Literal["packaged", "signed", "unsigned"]
    key_id: str | None = None
    warning: str | None = None


def generate_key_pair(passphrase: str | None = None) -> KeyPair:
    """Make a key to sign with; the private half is encrypted if there is a passphrase."""
    key = Ed25519PrivateKey.generate()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return KeyPair(key_id_of(key.public_key()), private_pem, public_pem(key.public_key()))


def public_pem(key: Ed25519PublicKey) -> bytes:
    """A public key as the file that a device trusts."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id_of(key: Ed25519PublicKey) -> str:
    """16 hex digits that name a key."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def load_private_key(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """Read the key to sign with.

    Raises:
        BundleError: there is none, it is no Ed25519 key, or the passphrase is wrong or missing.
    """
    content = _read(path)
    try:
        key = serialization.load_pem_private_key(
            content, passphrase.encode() if passphrase else None
        )
    except TypeError as e:  # a passphrase without need, or none where there is need
        need = "needs its passphrase" if not passphrase else "has no passphrase; give none"
        raise BundleError(f"{path}: the private key {need}") from e
    except (ValueError, UnsupportedAlgorithm) as e:
        raise BundleError(f"{path}: is no private key, or the passphrase is wrong") from e
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path}: is no Ed25519 key; make one with `headcount-deploy keygen`")
    return key


def load_trusted_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    """Read every `*.pub` of a folder, by key id; none where there is no such folder.

    Raises:
        BundleError: a file is no Ed25519 public key.
    """
    keys = {}
    for path in sorted(folder.glob("*.pub")):
        advice = f"{path}: is no Ed25519 public key (PEM); remove it or copy it again"
        content = _read(path)
        try:
            key = serialization.load_pem_public_key(content)
        except (ValueError, UnsupportedAlgorithm) as e:
            raise BundleError(advice) from e
        if not isinstance(key, Ed25519PublicKey):
            raise BundleError(advice)
        keys[key_id_of(key)] = key
    return keys


def sign(manifest: bytes, key: Ed25519PrivateKey) -> Signature:
    """Sign the bytes of a manifest."""
    return Signature(key_id_of(key.public_key()), key.sign(manifest))


def sign_bundle(bundle: Bundle, key: Ed25519PrivateKey) -> Path:
    """Sign a bundle in its folder, beside the signatures of other keys; returns manifest.sig.

    Raises:
        BundleError: the signatures that are there are damaged, or nothing can be written.
    """
    new = sign(bundle.manifest_bytes, key)
    old = [] if bundle.signature_bytes is None else parse_signatures(bundle.signature_bytes)
    path = bundle.path(SIGNATURE)
    others = [signature for signature in old if signature.key_id != new.key_id]
    try:
        write_file(path, render_signatures([*others, new]))
    except OSError as e:
        raise BundleError(f"{path}: cannot be written: {e.strerror}") from e
    return path


def render_signatures(signatures: Iterable[Signature]) -> bytes:
    """The content of manifest.sig."""
    rows = [
        {"key_id": signature.key_id, "sig": base64.b64encode(signature.sig).decode()}
        for signature in signatures
    ]
    return canonical_json({"signatures": rows})


def parse_signatures(content: bytes) -> list[Signature]:
    """Read manifest.sig, which must be just as `render_signatures` writes it.

    Raises:
        BundleError: it is not.
    """
    try:
        data = parse_json(content)
        rows = data["signatures"]  # type: ignore[index]
        signatures = [
            Signature(row["key_id"], base64.b64decode(row["sig"], validate=True)) for row in rows
        ]
        faithful = render_signatures(signatures) == content
    except (ValueError, KeyError, TypeError, binascii.Error) as e:
        raise BundleError(f"{SIGNATURE}: is damaged ({e}); sign the bundle again") from e
    if not faithful:
        raise BundleError(f"{SIGNATURE}: is damaged; sign the bundle again")
    return signatures


def verify(manifest: bytes, signature_file: bytes, trusted: TrustedKeys) -> str | None:
    """Verify the signatures of a manifest.

    Returns:
        The id of the first trusted key that signed it, None if none did.

    Raises:
        BundleError: the file is damaged, or a signature that claims a trusted key is not its.
    """
    signers = []
    for signature in parse_signatures(signature_file):
        if signature.key_id in trusted:
            try:
                trusted[signature.key_id].verify(signature.sig, manifest)
            except InvalidSignature as e:
                raise BundleError(
                    f"{SIGNATURE}: the signature of key {signature.key_id} does not fit the "
                    "manifest; the bundle was changed after it was signed"
                ) from e
            signers.append(signature.key_id)
    return signers[0] if signers else None


def trust(
    bundle: Bundle,
    trusted_dir: Path | None = None,
    packaged: Mapping[str, str] | None = None,
    *,
    allow_unsigned: bool = False,
) -> Trust:
    """Decide whether a bundle may be used.

    Args:
        bundle: as read, so its files are those of its manifest.
        trusted_dir: the folder of trusted keys.
        packaged: sha256 of the manifests that came with the application, by name.
        allow_unsigned: take a bundle for which nobody vouches, with a warning.

    Raises:
        BundleError: nobody vouches for it and it must be so, or a signature is false.
    """
    if bundle.sha256 in (packaged or {}).values():
        return Trust("packaged")
    trusted = load_trusted_keys(trusted_dir) if trusted_dir else {}
    if bundle.signature_bytes is not None:
        key_id = verify(bundle.manifest_bytes, bundle.signature_bytes, trusted)
        if key_id is not None:
            return Trust("signed", key_id)
    state = "is not signed" if bundle.signature_bytes is None else "is signed by no trusted key"
    if allow_unsigned:
        return Trust("unsigned", warning=f"{bundle.folder}: the bundle {state}")
    raise BundleError(
        f"{bundle.folder}: the bundle {state}; sign it with `headcount-deploy sign`, add the "
        "signer's public key to the trusted keys, or set detector.allow_unsigned"
    )


def read_packaged(path: Path) -> dict[str, str]:
    """Read the JSON file of packaged bundles: name to sha256 of its manifest.

    Raises:
        BundleError: it is missing or damaged.
    """
    try:
        data = parse_json(_read(path))
    except ValueError as e:
        raise BundleError(f"{path}: {e}; install headcount again") from e
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise BundleError(f"{path}: must map names to sha256; install headcount again")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as e:
        raise BundleError(f"{path}: no such file") from e
    except OSError as e:
        raise BundleError(f"{path}: cannot be read: {e.strerror}") from e
