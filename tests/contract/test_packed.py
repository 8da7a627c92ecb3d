"""A bundle as one file: the same after its way, and nothing of a hostile one is written."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.contract.bundle import MANIFEST, SIGNATURE, Bundle, FileEntry, read_bundle, write_bundle
from edge.contract.packed import pack, unpack
from edge.contract.permit import permits, write_permit
from edge.contract.signature import key_id_of, public_pem, sign_bundle, trust
from edge.errors import BundleError
from tests.contract.bundles import FILES, SSD

MOST = 1_000_000
Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def bundle(tmp_path: Path, key: Ed25519PrivateKey) -> Bundle:
    """A signed one."""
    made = write_bundle(tmp_path / "made", SSD, FILES)
    sign_bundle(made, key)
    return read_bundle(tmp_path / "made")


def packed(bundle: Bundle) -> bytes:
    file = io.BytesIO()
    pack(bundle, file)
    return file.getvalue()


def members(content: bytes) -> list[Member]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = []
        for member in archive:
            read = archive.extractfile(member)
            found.append((member, b"" if read is None else read.read()))
        return found


def archive_of(parts: list[Member]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in parts:
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def unpacked(content: bytes, folder: Path, most: int = MOST) -> Bundle:
    folder.mkdir()
    return unpack(io.BytesIO(content), folder, lambda _: None, most=most)


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_bundle_is_the_same_after_its_way(bundle: Bundle, tmp_path: Path) -> None:
    """Manifest, signature and files; and packing it twice gives the same file."""
    there = unpacked(packed(bundle), tmp_path / "there")

    assert (bundle.sha256, bundle.signature_bytes) == (there.sha256, there.signature_bytes)
    assert written(bundle.folder) == written(there.folder)
    assert packed(bundle) == packed(there)


def test_nothing_is_written_before_somebody_approves(bundle: Bundle, tmp_path: Path) -> None:
    """Who refuses sees manifest and signature; the folder stays empty."""
    folder = tmp_path / "there"
    folder.mkdir()
    seen = []

    def refuse(shown: Bundle) -> None:
        seen.append((shown.sha256, shown.signature_bytes, written(folder)))
        raise BundleError("not that one")

    with pytest.raises(BundleError, match="not that one"):
        unpack(io.BytesIO(packed(bundle)), folder, refuse, most=MOST)

    assert [(bundle.sha256, bundle.signature_bytes, [])] == seen
    assert [] == written(folder)


def test_a_file_that_is_cut_off_anywhere(bundle: Bundle, tmp_path: Path) -> None:
    """After any of its blocks, and within them: refused."""
    content = packed(bundle)
    end = sum(512 + len(part) + -len(part) % 512 for _, part in members(content))
    for number, length in enumerate([*range(0, end, 512), *range(100, end, 512)]):
        with pytest.raises(BundleError, match=r"cut off|no packed bundle"):
            unpacked(content[:length], tmp_path / f"cut-{number}")


def _renamed(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def _special(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo("model.xml")
    member.type, member.linkname = kind, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    "member",
    [
        *map(
            _renamed, ["../model.xml", "/tmp/model.xml", "a/../../b", "extra.bin", "manifest.sig"]
        ),
        *map(_special, [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]),
        *map(_special, [tarfile.FIFOTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME]),
    ],
    ids=lambda member: f"{member.name} {member.type!r}",
)
def test_what_no_manifest_lists_is_refused(
    bundle: Bundle, tmp_path: Path, member: tarfile.TarInfo
) -> None:
    """Paths that lead out, links, devices, long names, files beside: nothing of it is written."""
    parts = members(packed(bundle))
    folder = tmp_path / "inner" / "there"
    folder.parent.mkdir()
    with pytest.raises(BundleError):
        unpacked(archive_of([*parts[:2], (member, b""), *parts[2:]]), folder)

    assert {MANIFEST, SIGNATURE} >= set(written(tmp_path / "inner" / "there"))
    assert [folder] == list(folder.parent.iterdir())


def test_sizes_that_are_lies(bundle: Bundle, tmp_path: Path) -> None:
    """A manifest of terabytes, a member larger than it says, one that is missing: refused."""
    huge = {**bundle.manifest.files, "model.xml": FileEntry(1 << 45, "0" * 64)}
    manifest = replace(bundle.manifest, files=huge).to_bytes()
    parts = members(packed(bundle))
    (head, _), *rest = parts
    head.size = len(manifest)
    with pytest.raises(BundleError, match=r"update\.max_mb"):
        unpacked(archive_of([(head, manifest), *rest]), tmp_path / "a")
    parts = members(packed(bundle))
    parts[2][0].size += 1
    with pytest.raises(BundleError, match="is not what"):
        unpacked(
            archive_of([*parts[:2], (parts[2][0], parts[2][1] + b"!"), parts[3]]), tmp_path / "b"
        )
    with pytest.raises(BundleError, match="is missing"):
        unpacked(archive_of(members(packed(bundle))[:-1]), tmp_path / "c")
    enormous = tarfile.TarInfo(MANIFEST)
    enormous.size = 1 << 33
    with pytest.raises(BundleError, match="is larger than"):
        unpacked(enormous.tobuf(tarfile.GNU_FORMAT), tmp_path / "d")


def test_one_flipped_bit_of_any_byte_is_seen_or_means_nothing(
    bundle: Bundle, tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    """Bytes of all that travels: refused, or what is written is the signed bundle."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "anna.pub").write_bytes(public_pem(key.public_key()))
    content = packed(bundle)[: 512 * 12]
    for place in range(0, len(content), 29):
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << place % 8
        try:
            (folder := tmp_path / str(place)).mkdir()
            file = io.BytesIO(bytes(spoilt))
            there = unpack(file, folder, lambda shown: _check(shown, keys), most=MOST)
        except BundleError:
            continue

        assert bundle.sha256 == there.sha256
        assert {name: (there.folder / name).read_bytes() for name in FILES} == FILES


def _check(bundle: Bundle, keys: Path) -> None:
    trust(bundle, keys)


def test_a_permit_is_for_one_bundle_and_one_floor(
    bundle: Bundle, tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    """It travels with the bundle; another bundle, another floor, or a stranger: nothing."""
    write_permit(bundle, 12, key)
    there = unpacked(packed(read_bundle(bundle.folder)), tmp_path / "there")
    trusted = {key_id_of(key.public_key()): key.public_key()}

    assert permits(there, 12, trusted)
    assert not permits(there, 13, trusted)
    assert not permits(there, 12, {})
    assert not permits(bundle, 12, trusted)
    other = write_bundle(tmp_path / "other", replace(SSD, counter=8), FILES)
    assert not permits(replace(other, permit_bytes=there.permit_bytes), 12, trusted)


@pytest.mark.parametrize("place", [0, 40, 90, 200, -10, -40])
def test_a_permit_that_was_changed_allows_nothing(
    bundle: Bundle, key: Ed25519PrivateKey, place: int
) -> None:
    """A byte of its text or of its signature."""
    write_permit(bundle, 12, key)
    content = bytearray(read_bundle(bundle.folder).permit_bytes or b"")
    content[place] ^= 1
    spoilt = replace(bundle, permit_bytes=bytes(content))
    try:
        allowed = permits(spoilt, 12, {key_id_of(key.public_key()): key.public_key()})
    except BundleError:
        return

    assert not allowed
