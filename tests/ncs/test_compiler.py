"""The stick's own compiler on real files: what it takes, what it refuses and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openvino
import pytest

from edge.assembly import DEFAULT_BUNDLE
from edge.contract.bundle import read_bundle
from edge.errors import BundleError, WorldError
from tests.ncs.models import SIDE, good, quantised, sliced, write_model
from tests.old_openvino import myriad_compiler
from training.ncs.blob import BlobInfo, read_blob
from training.ncs.compiler import compile_for_stick
from training.ncs.tools import Compiler


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    """`myriad_compile`, or a skip that says why it cannot be had."""
    return myriad_compiler()


def program(folder: Path, text: str, real: Compiler | None = None) -> Compiler:
    """Something else in the compiler's place, with the real one's libraries if there is one."""
    tool = folder / "libs" / "myriad_compile"
    tool.parent.mkdir(parents=True)
    tool.write_text(text)
    tool.chmod(0o755)
    return Compiler(tool, real.libraries if real else tool.parent)


def compiled(xml: Path, compiler: Compiler) -> BlobInfo:
    return compile_for_stick(xml.read_bytes(), xml.with_suffix(".bin").read_bytes(), compiler)


def test_a_good_model_compiles(tmp_path: Path, compiler: Compiler) -> None:
    """One convolution is one stage in hardware; its input is bytes, its output FP32."""
    kept = tmp_path / "kept.blob"
    keeping = program(
        tmp_path, f'#!/bin/sh\n"{compiler.program}" "$@" && cp model.blob "{kept}"', compiler
    )
    info = compiled(write_model(tmp_path / "m.xml", good), keeping)

    assert (1, 3 * SIDE * SIDE, 4 * 16 * SIDE * SIDE) == (
        info.hardware_stages, info.input_bytes, info.output_bytes,
    )  # fmt: skip
    assert 1 < info.stages < 10
    assert 2 * 16 * 3 * 9 < info.size < 100_000  # FP16 weights, and little beside them
    assert 2 * 3 * SIDE * SIDE <= info.memory < 1_000_000  # the picture in FP16
    with pytest.raises(BundleError, match=rf"1000 bytes, its header tells {info.size}"):
        read_blob(kept.read_bytes()[:1000])


def test_the_shipped_model_compiles(compiler: Compiler) -> None:
    """Most of its stages run in hardware, and it fits the stick's 512 MB by far."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    variant = bundle.variant("MYRIAD")
    info = compiled(bundle.path(variant.xml), compiler)
    size = bundle.manifest.input
    print(info)

    assert info.hardware_stages > 0.5 * info.stages
    assert size.width * size.height * 3 <= info.input_bytes < size.width * size.height * 3 + 4096
    assert bundle.path(variant.bin).stat().st_size < info.size < 60e6
    assert info.memory < 60e6


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (sliced, r"Cannot create Slice layer .* unsupported opset: opset8"),
        (quantised, r'unsupported layer type "FakeQuantize"'),
    ],
    ids=["opset 8", "int8"],
)
def test_what_a_stick_cannot_run_is_refused(
    graph: Callable[[openvino.Node], openvino.Node],
    reason: str,
    tmp_path: Path,
    compiler: Compiler,
) -> None:
    """The compiler's own reason, in one line."""
    xml = write_model(tmp_path / "m.xml", graph)

    with pytest.raises(BundleError, match=reason) as caught:
        compiled(xml, compiler)
    assert 0 == str(caught.value).count("\n")
    assert str(tmp_path) not in str(caught.value)


def test_a_file_of_today_is_refused(tmp_path: Path, compiler: Compiler) -> None:
    """IR version 11, as OpenVINO writes it now, is no format that the compiler reads."""
    xml = write_model(tmp_path / "m.xml", good)
    xml.write_bytes(xml.read_bytes().replace(b'version="10"', b'version="11"', 1))

    with pytest.raises(BundleError, match="Unknown model format"):
        compiled(xml, compiler)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("\x7fno program", WorldError, r"cannot be run: .*; remove .* and bring the compiler"),
        ("#!/bin/sh\necho \"Cannot load library 'x.so': gone\" >&2; exit 1", WorldError, "gone"),
        ("#!/bin/sh\nkill -9 $$", BundleError, "ended with -9 and no word"),
        ("#!/bin/sh\nprintf abc >model.blob", BundleError, "3 bytes is cut within its header"),
        ("#!/bin/sh", BundleError, "ended with 0 and no word"),
    ],
    ids=["no program", "a library is missing", "killed", "cut blob", "no blob"],
)
def test_a_broken_compiler_is_told(
    text: str, error: type[Exception], told: str, tmp_path: Path
) -> None:
    """A program that fails by itself is no word on the model, and a cut blob is no blob."""
    with pytest.raises(error, match=told):
        compile_for_stick(b"<net/>", b"", program(tmp_path, text))
