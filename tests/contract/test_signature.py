"""Who vouches for a bundle: keys, signatures, and what is refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.contract.bundle import MANIFEST, SIGNATURE, Bundle, read_bundle, write_bundle
from edge.contract.signature import (
    generate_key_pair,
    key_id_of,
    load_private_key,
    load_trusted_keys,
    parse_signatures,
    public_pem,
    read_packaged,
    render_signatures,
    sign,
    sign_bundle,
    trust,
    verify,
)
from edge.errors import BundleError
from tests.contract.bundles import FILES, SSD

# The first test vector of RFC 8032, section 7.1: an empty message.
VECTOR_KEY = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
VECTOR_SIG = (
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def fresh_key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


@pytest.fixture
def key() -> Ed25519PrivateKey:
    """The key of a trusted person."""
    return fresh_key(1)


@pytest.fixture
def keys(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    """A folder that trusts `key`."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "anna.pub").write_bytes(public_pem(key.public_key()))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A sound bundle without a signature."""
    return write_bundle(tmp_path / "bundle", SSD, FILES)


def signed(bundle: Bundle, key: Ed25519PrivateKey) -> Bundle:
    sign_bundle(bundle, key)
    return read_bundle(bundle.folder)


def test_rfc_8032_vector() -> None:
    """Signatures are plain Ed25519 over the bytes, so that other tools can verify them."""
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTOR_KEY))

    assert VECTOR_SIG == sign(b"", key).sig.hex()


def test_signed_by_a_trusted_key(bundle: Bundle, key: Ed25519PrivateKey, keys: Path) -> None:
    """The key's id is told."""
    verdict = trust(signed(bundle, key), keys)

    assert ("signed", key_id_of(key.public_key()), None) == (
        verdict.kind,
        verdict.key_id,
        verdict.warning,
    )


def test_unsigned_is_refused(bundle: Bundle, keys: Path) -> None:
    """Without a signature: refused, with the command that mends it."""
    with pytest.raises(BundleError, match="is not signed; sign it with `headcount-deploy sign`"):
        trust(bundle, keys)


def test_unsigned_is_allowed_with_a_warning(bundle: Bundle, keys: Path) -> None:
    """Where it is allowed, a warning names the bundle."""
    verdict = trust(bundle, keys, allow_unsigned=True)

    assert "unsigned" == verdict.kind
    assert str(bundle.folder) in str(verdict.warning)


def test_signed_by_a_stranger(bundle: Bundle, keys: Path) -> None:
    """A key that is not trusted is no better than none."""
    stranger = signed(bundle, fresh_key(2))

    with pytest.raises(BundleError, match="no trusted key"):
        trust(stranger, keys)
    assert "unsigned" == trust(stranger, keys, allow_unsigned=True).kind


def test_signed_by_two(bundle: Bundle, key: Ed25519PrivateKey, keys: Path) -> None:
    """Signatures add up; one trusted key is enough, and signing again changes nothing."""
    both = signed(signed(signed(bundle, fresh_key(2)), key), key)

    assert 2 == len(parse_signatures(both.signature_bytes or b""))
    assert "signed" == trust(both, keys).kind


def test_withdrawn_key(bundle: Bundle, key: Ed25519PrivateKey, keys: Path) -> None:
    """Taking the key's file away withdraws the trust."""
    good = signed(bundle, key)
    (keys / "anna.pub").unlink()

    with pytest.raises(BundleError, match="no trusted key"):
        trust(good, keys)


def test_no_folder_of_keys(bundle: Bundle, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """A device without keys trusts nobody."""
    with pytest.raises(BundleError, match="no trusted key"):
        trust(signed(bundle, key), tmp_path / "none")


def test_signature_of_another_bundle(bundle: Bundle, key: Ed25519PrivateKey, keys: Path) -> None:
    """A trusted key's signature under another manifest is refused, allowed unsigned or not."""
    bundle.path(SIGNATURE).write_bytes(render_signatures([sign(b"another", key)]))

    with pytest.raises(BundleError, match="changed after it was signed"):
        trust(read_bundle(bundle.folder), keys, allow_unsigned=True)


def test_claimed_key_id(bundle: Bundle, key: Ed25519PrivateKey, keys: Path) -> None:
    """A stranger cannot sign in the name of a trusted key."""
    stranger = sign(bundle.manifest_bytes, fresh_key(2))
    forged = type(stranger)(key_id_of(key.public_key()), stranger.sig)
    bundle.path(SIGNATURE).write_bytes(render_signatures([forged]))

    with pytest.raises(BundleError, match="does not fit"):
        trust(read_bundle(bundle.folder), keys)


def test_packaged_bundle(bundle: Bundle, tmp_path: Path) -> None:
    """What came with the application is trusted by its digest, and by nothing less."""
    path = tmp_path / "trusted.json"
    path.write_text(f'{{"default": "{bundle.sha256}"}}')

    assert "packaged" == trust(bundle, packaged=read_packaged(path)).kind
    with pytest.raises(BundleError):
        trust(bundle, packaged={"default": "0" * 64})


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"default": 1}'])
def test_damaged_list_of_packaged_bundles(tmp_path: Path, content: bytes) -> None:
    """A damaged list is refused, and named."""
    path = tmp_path / "trusted.json"
    path.write_bytes(content)

    with pytest.raises(BundleError, match=r"trusted\.json"):
        read_packaged(path)


def test_missing_list_of_packaged_bundles(tmp_path: Path) -> None:
    """A missing list is named."""
    with pytest.raises(BundleError, match="no such file"):
        read_packaged(tmp_path / "trusted.json")


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_key_pair_round_trip(tmp_path: Path, passphrase: str | None) -> None:
    """A generated key signs what its public half verifies."""
    pair = generate_key_pair(passphrase)
    (tmp_path / "key.pem").write_bytes(pair.private_pem)
    (tmp_path / "key.pub").write_bytes(pair.public_pem)
    content = render_signatures([sign(b"x", load_private_key(tmp_path / "key.pem", passphrase))])

    assert pair.key_id == verify(b"x", content, load_trusted_keys(tmp_path))
    assert (b"ENCRYPTED" in pair.private_pem) == (passphrase is not None)


@pytest.mark.parametrize(
    ("made_with", "given_", "words"),
    [
        pytest.param("a", None, "needs its passphrase", id="none given"),
        pytest.param("a", "b", "passphrase is wrong", id="wrong"),
        pytest.param(None, "b", "has no passphrase", id="needless"),
    ],
)
def test_passphrase(tmp_path: Path, made_with: str | None, given_: str | None, words: str) -> None:
    """A passphrase that does not fit is told from a damaged key where that is known."""
    path = tmp_path / "key.pem"
    path.write_bytes(generate_key_pair(made_with).private_pem)

    with pytest.raises(BundleError, match=words):
        load_private_key(path, given_)


def test_private_key_that_is_none(tmp_path: Path) -> None:
    """No file, no key, another kind of key."""
    path = tmp_path / "key.pem"
    with pytest.raises(BundleError, match="no such file"):
        load_private_key(path)
    path.write_text("x")
    with pytest.raises(BundleError, match="no private key"):
        load_private_key(path)
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(BundleError, match="Ed25519"):
        load_private_key(path)


def test_trusted_key_that_is_none(keys: Path) -> None:
    """A damaged key file is named: to pass over it in silence would withdraw a trust."""
    (keys / "bert.pub").write_text("x")

    with pytest.raises(BundleError, match=r"bert\.pub"):
        load_trusted_keys(keys)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"signatures": 1}', id="number"),
        pytest.param(b'{"signatures": [{"key_id": "a"}]}', id="no signature"),
        pytest.param(b'{"signatures": [{"key_id": "a", "sig": "?"}]}', id="no base64"),
        pytest.param(b'{"signatures": [{"key_id": "a", "sig": "YQ=="}]} ', id="other spelling"),
    ],
)
def test_damaged_signature_file(content: bytes) -> None:
    """A signature file is as it was written, or damaged."""
    with pytest.raises(BundleError, match=r"manifest\.sig: is damaged"):
        parse_signatures(content)


def test_unused_bits_of_base64_are_not_free(key: Ed25519PrivateKey) -> None:
    """The last letter of a signature has four bits that decoders ignore; here they count."""
    content = render_signatures([sign(b"x", key)])
    letter = content.index(b"==") - 1
    other = bytes([content[letter] + 1])
    changed = content[:letter] + other + content[letter + 1 :]
    sig = changed[content.index(b'"sig": "') + 8 : letter + 3]

    assert sign(b"x", key).sig == base64.b64decode(sig)
    with pytest.raises(BundleError):
        parse_signatures(changed)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_changed_byte_in_a_signed_bundle_is_refused(
    bundle: Bundle, key: Ed25519PrivateKey, keys: Path, data: st.DataObject
) -> None:
    """Any byte of any file, the manifest and the signature among them, changed to any other."""
    if not bundle.path(SIGNATURE).exists():
        sign_bundle(bundle, key)
    name = data.draw(st.sampled_from([*sorted(FILES), MANIFEST, SIGNATURE]))
    path = bundle.path(name)
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
    try:
        with pytest.raises(BundleError):
            trust(read_bundle(bundle.folder), keys)
    finally:
        path.write_bytes(content)

    assert "signed" == trust(read_bundle(bundle.folder), keys).kind
