"""Which file of a bundle a device runs: float, or int8 where that pays; and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, Variant, write_bundle
from edge.detector import Int8Support, open_detector
from edge.detector.variant import choose_variants, read_support
from edge.errors import DetectorError
from tests.test_detector import ONE_THREAD, SSD, VARIANT, blue_graph, corner_boxes, frame

INT8 = Variant(("CPU",), "int8", "small.xml", "small.bin")
EMPTY = {"model.xml": b"", "model.bin": b"", "small.xml": b"", "small.bin": b""}
NONE, SLOW, FAST = Int8Support(False, False), Int8Support(True, False), Int8Support(True, True)


def of_two(folder: Path, small: openvino.Model | None = None) -> Bundle:
    """A bundle with a float file that sees blue, and an int8 one (damaged where none is given)."""
    files: dict[str, bytes | Path] = {"small.xml": b"<net>", "small.bin": b""}
    graphs = {"model": blue_graph()} | ({"small": small} if small else {})
    for name, graph in graphs.items():
        openvino.save_model(graph, folder / f"{name}.xml", compress_to_fp16=False)
        files |= {f"{name}.{end}": folder / f"{name}.{end}" for end in ("xml", "bin")}
    return write_bundle(folder / "bundle", replace(SSD, variants=(VARIANT, INT8)), files)


@pytest.mark.parametrize(
    ("precision", "support", "chosen"),
    [
        pytest.param("auto", NONE, [VARIANT], id="auto, no int8 here"),
        pytest.param("auto", SLOW, [VARIANT], id="auto, int8 does not pay"),
        pytest.param("auto", FAST, [INT8, VARIANT], id="auto, int8 pays"),
        pytest.param("int8", SLOW, [INT8], id="int8"),
        pytest.param("f32", FAST, [VARIANT], id="f32"),
        pytest.param("bf16", FAST, [VARIANT], id="bf16"),
    ],
)
def test_variant_for_a_precision(
    tmp_path: Path, precision: str, support: Int8Support, chosen: list[Variant]
) -> None:
    """Only auto looks at the CPU, and has another file to fall back on."""
    bundle = of_two(tmp_path)

    assert chosen == list(choose_variants(bundle, "CPU", precision, support))


def test_variant_of_a_bundle_with_one(tmp_path: Path) -> None:
    """Auto takes what there is, on any CPU."""
    for variant in (VARIANT, INT8):
        bundle = write_bundle(tmp_path / "bundle", replace(SSD, variants=(variant,)), EMPTY)

        for support in (NONE, SLOW, FAST):
            assert (variant,) == choose_variants(bundle, "CPU", "auto", support)


@pytest.mark.parametrize(
    ("variants", "device", "precision", "support", "words"),
    [
        pytest.param((VARIANT,), "CPU", "int8", FAST, "no int8 variant", id="none in the bundle"),
        pytest.param((VARIANT, INT8), "AUTO", "int8", FAST, "for AUTO", id="none for the device"),
        pytest.param((VARIANT, INT8), "CPU", "int8", NONE, "does not run", id="none here"),
        pytest.param((INT8,), "CPU", "f32", FAST, "only int8", id="no float"),
    ],
)
def test_precision_that_cannot_be_had(
    tmp_path: Path,
    variants: tuple[Variant, ...],
    device: str,
    precision: str,
    support: Int8Support,
    words: str,
) -> None:
    """It is told which part lacks it, and what to set."""
    bundle = write_bundle(tmp_path / "bundle", replace(SSD, variants=variants), EMPTY)

    with pytest.raises(DetectorError, match=words) as caught:
        open_detector(bundle, DetectorConfig(device=device, precision=precision), support=support)
    assert "set detector.precision to auto or " in str(caught.value)


class Plugin:
    """What OpenVINO says of a device."""

    def __init__(self, *listed: str) -> None:
        self.listed = listed

    def get_property(self, device: str, name: str) -> list[str]:
        if not self.listed:
            raise RuntimeError(f"{device} has no property {name}")
        return list(self.listed)


@pytest.mark.parametrize(
    ("listed", "device", "cpuinfo", "support"),
    [
        pytest.param(("FP32", "INT8"), "CPU", "flags\t\t: avx2 avx_vnni", FAST, id="AVX-VNNI"),
        pytest.param(("INT8",), "CPU", "a: b\nflags : x avx512_vnni\n\n", FAST, id="AVX512"),
        pytest.param(("INT8",), "CPU", "flags\t: avx2 avx512f", SLOW, id="AVX2"),
        pytest.param(("INT8",), "CPU", "Features\t: fp asimd asimddp", SLOW, id="ARM"),
        pytest.param(("INT8",), "CPU", "vmx flags\t: avx_vnni", SLOW, id="other flags"),
        pytest.param(("INT8",), "CPU", None, SLOW, id="no /proc"),
        pytest.param(("INT8",), "GPU.0", "flags: avx_vnni", SLOW, id="a GPU beside it"),
        pytest.param(("FP32",), "CPU", "flags: avx_vnni", NONE, id="not in OpenVINO"),
        pytest.param((), "AUTO", "flags: avx_vnni", NONE, id="no such property"),
    ],
)
def test_where_int8_pays(
    tmp_path: Path, listed: tuple[str, ...], device: str, cpuinfo: str | None, support: Int8Support
) -> None:
    """On a CPU whose OpenVINO runs int8 and which has dot products of 8-bit integers."""
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo)

    assert support == read_support(Plugin(*listed), device, file)


def test_detector_tells_which_variant_is_in_service(tmp_path: Path) -> None:
    """The int8 file where auto chose it, the float one elsewhere; both see the same."""
    bundle = of_two(tmp_path, blue_graph())
    told = []
    for support in (FAST, SLOW):
        with open_detector(bundle, replace(ONE_THREAD, precision="auto"), support=support) as found:
            told.append(found.device)
            (seen,) = found.detect([frame(2)])

            np.testing.assert_allclose(corner_boxes()[[2]], seen.detections.boxes, atol=1e-6)
    assert ["CPU (int8)", "CPU (f32)"] == told


def test_int8_file_that_is_not_understood(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Auto takes the float file, and says so in the log; who asked for int8 is refused."""
    bundle = of_two(tmp_path)
    with open_detector(bundle, replace(ONE_THREAD, precision="auto"), support=FAST) as detector:
        (seen,) = detector.detect([frame(2)])

    assert "CPU (f32)" == detector.device
    assert 1 == len(seen.detections)
    (line,) = caplog.messages
    assert "small.xml: cannot be loaded on CPU" in line
    with pytest.raises(DetectorError, match=r"small\.xml"):
        open_detector(bundle, replace(ONE_THREAD, precision="int8"), support=FAST)
