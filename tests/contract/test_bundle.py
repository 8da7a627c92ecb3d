"""A bundle is read as it was written, or refused with the file and the mend."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.contract.bundle import (
    MANIFEST,
    FileEntry,
    Manifest,
    ModelInput,
    Variant,
    family,
    read_bundle,
    write_bundle,
)
from edge.contract.strict_json import canonical_json
from edge.errors import BundleError
from tests.contract.bundles import FILES, SSD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound bundle."""
    return write_bundle(tmp_path / "bundle", SSD, FILES).folder


def refusal(folder: Path) -> str:
    """The one line with which the bundle is refused."""
    with pytest.raises(BundleError) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_round_trip(folder: Path) -> None:
    """What was written is read, with the files listed by size and digest."""
    bundle = read_bundle(folder)

    assert SSD == replace(bundle.manifest, files={})
    assert {"model.xml": 120, "int8/model.bin": 256} == {
        name: entry.size for name, entry in bundle.manifest.files.items()
    }
    assert FILES["model.xml"] == bundle.path("model.xml").read_bytes()
    assert bundle.signature_bytes is None


def test_detection_output_round_trip(tmp_path: Path) -> None:
    """A detector whose graph decodes its boxes needs no priors."""
    manifest = replace(SSD, output="detection-output", priors=None, target="body")
    bundle = write_bundle(tmp_path / "bundle", manifest, FILES)

    assert manifest == replace(bundle.manifest, files={})


def test_same_content_same_bytes(tmp_path: Path) -> None:
    """Two writings of one bundle agree in every byte of the manifest."""
    first = write_bundle(tmp_path / "a", SSD, FILES)
    second = write_bundle(tmp_path / "b", SSD, dict(reversed(FILES.items())))

    assert first.sha256 == second.sha256


def test_writing_replaces_what_was_there(folder: Path) -> None:
    """A new bundle leaves nothing of the old one, and nothing beside it."""
    (folder / "stray").write_text("x")
    write_bundle(folder, replace(SSD, counter=8), FILES)

    assert 8 == read_bundle(folder).manifest.counter
    assert [folder] == list(folder.parent.iterdir())


def test_failed_writing_leaves_the_old_bundle(folder: Path) -> None:
    """A file that cannot be read stops the writing before anything is changed."""
    with pytest.raises(BundleError, match="nowhere"):
        write_bundle(folder, SSD, {**FILES, "model.xml": Path("nowhere")})

    assert 7 == read_bundle(folder).manifest.counter
    assert [folder] == list(folder.parent.iterdir())


def test_writing_where_there_is_no_folder(tmp_path: Path) -> None:
    """The parent of a bundle must exist."""
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "none" / "bundle", SSD, FILES)


def test_writing_without_a_variants_file(tmp_path: Path) -> None:
    """Each file of a variant must be given."""
    with pytest.raises(BundleError, match=r"int8/model\.bin"):
        write_bundle(tmp_path / "bundle", SSD, {"model.xml": b""})


def test_link_to_a_bundle(folder: Path, tmp_path: Path) -> None:
    """The folder itself may be a link: so a device switches models."""
    (tmp_path / "current").symlink_to(folder)

    assert folder == read_bundle(tmp_path / "current").folder


def test_variant_for_a_device(tmp_path: Path) -> None:
    """A device gets the variant made for it, any other the first."""
    stick = Variant(("MYRIAD",), "f16", "model.xml", "int8/model.bin")
    cpu = Variant(("CPU", "GPU"), "int8", "model.xml", "int8/model.bin")
    bundle = write_bundle(tmp_path / "b", replace(SSD, variants=(stick, cpu)), FILES)

    assert [cpu, cpu, stick, stick] == [
        bundle.variant(device) for device in ("CPU", "GPU.1", "MYRIAD", "AUTO:GPU,CPU")
    ]


def test_variants_for_a_device(tmp_path: Path) -> None:
    """All of those made for it in their order; one that knows nothing of int8 takes the float."""
    whole = Variant(("CPU", "MYRIAD"), "fp16", "model.xml", "int8/model.bin")
    small = Variant(("CPU",), "int8", "model.xml", "int8/model.bin")
    bundle = write_bundle(tmp_path / "b", replace(SSD, variants=(whole, small)), FILES)

    assert (False, True) == tuple(variant.quantised for variant in bundle.variants("CPU"))
    assert [(whole, small), (whole,), (whole,)] == [
        bundle.variants(device) for device in ("CPU", "MYRIAD", "NPU")
    ]
    assert whole == bundle.variant("CPU")


def test_family_of_a_device() -> None:
    """What stands before the number, the members or the batch."""
    assert ["CPU", "GPU", "AUTO", "BATCH"] == [
        family(device) for device in ("CPU", "GPU.0", "AUTO:GPU,CPU", "BATCH:CPU(4)")
    ]


def test_no_bundle_there(tmp_path: Path) -> None:
    """A folder that is not there, or holds no manifest."""
    (tmp_path / "empty").mkdir()

    assert "no such bundle" in refusal(tmp_path / "none")
    assert "holds no manifest.json" in refusal(tmp_path / "empty")


def damage_size(folder: Path) -> None:
    with (folder / "model.xml").open("ab") as file:
        file.write(b" ")


def damage_byte(folder: Path) -> None:
    content = bytearray(FILES["int8/model.bin"])
    content[100] ^= 1
    (folder / "int8/model.bin").write_bytes(content)


def replace_by_link(folder: Path) -> None:
    (folder / "model.xml").rename(folder.parent / "model.xml")
    (folder / "model.xml").symlink_to(folder.parent / "model.xml")


def replace_folder_by_link(folder: Path) -> None:
    (folder / "int8").rename(folder.parent / "int8")
    (folder / "int8").symlink_to(folder.parent / "int8")


def deep_folder(folder: Path) -> None:
    deep = folder.joinpath(*"abcdefghijklm")
    deep.mkdir(parents=True)


@pytest.mark.parametrize(
    ("damage", "name", "words"),
    [
        pytest.param(damage_size, "model.xml", "121 bytes, not 120", id="size"),
        pytest.param(damage_byte, "int8/model.bin", "sha256", id="byte"),
        pytest.param(lambda f: (f / "model.xml").unlink(), "model.xml", "missing", id="missing"),
        pytest.param(lambda f: (f / "x.py").touch(), "x.py", "not listed", id="unlisted"),
        pytest.param(lambda f: (f / "int8/x").touch(), "int8/x", "not listed", id="unlisted deep"),
        pytest.param(replace_by_link, "model.xml", "link", id="link"),
        pytest.param(replace_folder_by_link, "int8", "link", id="link to a folder"),
        pytest.param(lambda f: os.mkfifo(f / "pipe"), "pipe", "special", id="pipe"),
        pytest.param(deep_folder, "a/b/c", "too deep", id="deep"),
        pytest.param(
            lambda f: (f / MANIFEST).write_bytes(b"x" * (5 << 20)), MANIFEST, "larger", id="huge"
        ),
    ],
)
def test_folder_that_differs(
    folder: Path, damage: Callable[[Path], object], name: str, words: str
) -> None:
    """Whatever differs from the manifest is refused, and named."""
    damage(folder)
    message = refusal(folder)

    assert str(folder / name) in message
    assert words in message


def edited(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data.update(changes)


def edited_input(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["input"].update(changes)


def rename_file(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        data["files"][name] = data["files"].pop("model.xml")

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(edited(schema=2), "schema", id="later schema"),
        pytest.param(lambda d: d.pop("schema"), "schema", id="no schema"),
        pytest.param(edited(letterbox=True), "'letterbox' is unknown", id="unknown key"),
        pytest.param(lambda d: d.pop("labels"), "labels is missing", id="missing key"),
        pytest.param(edited(labels=[]), "labels", id="no label"),
        pytest.param(edited(labels="head"), "list", id="text for a list"),
        pytest.param(edited(counter="7"), "counter", id="text for a number"),
        pytest.param(edited(counter=-1), "counter", id="negative counter"),
        pytest.param(edited(counter=1.5), "counter", id="broken counter"),
        pytest.param(edited(score=2), "score", id="score out of range"),
        pytest.param(edited(score=10**400), "score", id="endless number"),
        pytest.param(edited(output="yolo"), "output", id="unknown output"),
        pytest.param(edited(target="feet"), "target", id="unknown target"),
        pytest.param(edited(name="../x"), "name", id="name that climbs"),
        pytest.param(edited(version="one"), "version", id="version in words"),
        pytest.param(edited(created="today"), "created", id="no time"),
        pytest.param(edited(input=5), "input", id="input that is a number"),
        pytest.param(edited_input(width=0), "width", id="no width"),
        pytest.param(edited_input(width=128), "priors", id="priors of another size"),
        pytest.param(edited_input(mean=[1, 2]), "3 numbers", id="two means"),
        pytest.param(edited_input(scale=[0, 1, 1]), "scale", id="scale of 0"),
        pytest.param(edited_input(colour="hsv"), "colour", id="unknown colours"),
        pytest.param(edited(priors=None), "priors", id="ssd without priors"),
        pytest.param(edited(priors_sha256="0" * 64), "priors_sha256", id="digest of priors"),
        pytest.param(lambda d: d["priors"].pop("maps"), "priors", id="half a prior spec"),
        pytest.param(
            lambda d: d["priors"]["maps"][0].update(stride=1, sizes=[1.0] * 100),
            "more than",
            id="too many priors",
        ),
        pytest.param(edited(variants=[]), "variants", id="no variant"),
        pytest.param(rename_file("other.xml"), "model.xml of a variant", id="variant not listed"),
        pytest.param(rename_file("../model.xml"), "no path", id="path that climbs"),
        pytest.param(rename_file("a/../model.xml"), "no path", id="path that climbs inside"),
        pytest.param(rename_file("/etc/passwd"), "no path", id="absolute path"),
        pytest.param(rename_file("a\\b"), "no path", id="backslash"),
        pytest.param(rename_file("manifest.sig"), "no path", id="manifest lists its signature"),
        pytest.param(
            lambda d: d["files"]["model.xml"].update(sha256="zz"), "64 hex", id="no digest"
        ),
        pytest.param(edited(min_app_version="99.1"), "update headcount", id="needs a later app"),
    ],
)
def test_manifest_that_is_wrong(
    folder: Path, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    """Every field of a manifest is checked when it is read."""
    data = json.loads((folder / MANIFEST).read_text())
    edit(data)
    (folder / MANIFEST).write_bytes(canonical_json(data))

    assert words in refusal(folder)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[1]", id="no object"),
        pytest.param(b"{'a': 1}", id="no JSON"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b'{"schema": NaN}', id="NaN"),
        pytest.param(b'{"schema": 1e999}', id="infinity"),
        pytest.param(b'{"schema": 1, "schema": 1}', id="key twice"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
    ],
)
def test_manifest_that_is_no_json(folder: Path, content: bytes) -> None:
    """What is not strict JSON is refused, and the manifest named."""
    (folder / MANIFEST).write_bytes(content)

    assert MANIFEST in refusal(folder)


@pytest.mark.parametrize("wrong", [(0, 10, "bgr"), (10, 5000, "bgr"), (10, 10, "yuv")])
def test_input_out_of_range(wrong: tuple[int, int, str]) -> None:
    """A record that makes no sense cannot be made."""
    with pytest.raises(ValueError, match="input"):
        ModelInput(*wrong)


def test_file_entry_out_of_range() -> None:
    """A file's size is never negative."""
    with pytest.raises(ValueError, match="size"):
        FileEntry(-1, "0" * 64)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_refused(content: bytes) -> None:
    """No bytes make the reading fail in another way than by ValueError."""
    with pytest.raises(ValueError):
        Manifest.from_bytes(content)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_flipped_bit_in_a_file_is_refused(folder: Path, data: st.DataObject) -> None:
    """Any bit of any listed file."""
    name = data.draw(st.sampled_from(sorted(FILES)))
    bit = data.draw(st.integers(0, 8 * len(FILES[name]) - 1))
    content = bytearray(FILES[name])
    content[bit // 8] ^= 1 << bit % 8
    (folder / name).write_bytes(content)
    try:
        assert name in refusal(folder)
    finally:
        (folder / name).write_bytes(FILES[name])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=5,
)  # fmt: skip


@given(
    st.integers(0, 2**53),
    st.floats(0, 1),
    st.dictionaries(st.text("xyz", min_size=1), JSON, max_size=3),
)
def test_any_manifest_survives_its_bytes(
    counter: int, score: float, metrics: dict[str, Any]
) -> None:
    """Numbers and free-form JSON come back exactly."""
    manifest = replace(SSD, counter=counter, score=score, metrics=metrics)

    assert manifest == Manifest.from_bytes(manifest.to_bytes())
