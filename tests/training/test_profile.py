"""A whole profile: measured on this CPU, reckoned for the stick, read back and used."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")
pytest.importorskip("matplotlib", reason="needs the [training] extra: matplotlib is missing")

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from edge.contract.ssd import PriorMap, PriorSpec
from edge.errors import CallError, DataError
from training.models.ssd import BACKBONES, SSD
from training.profile.figure import draw, write_figure
from training.profile.profiling import FIGURE, PROFILE, half, run_profile
from training.profile.shapes import Shape, shapes
from training.profile.staircase import Staircase
from training.profile.table import LatencyTable

pytestmark = pytest.mark.training

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SPEC = PriorSpec(64, 64, (PriorMap(8, (10.0,)), PriorMap(16, (20.0,)), PriorMap(32, (40.0,))))
STAIRS = Staircase(
    Shape("conv", 8, 8, 1, 1, 4, 4), "cout", (1, 2, 3, 4), *(((1.0, 1.0, 2.0, 2.0),) * 3)
)


def test_a_cpu_is_profiled(tmp_path: Path) -> None:
    """A table that knows every layer and predicts the network, a picture, lines for a person."""
    net, lines = SSD(SPEC, width=0.25, neck=16), []
    run_profile(
        net, device="cpu", out=tmp_path, quick=True, clock=time.process_time, now=NOW,
        say=lines.append,
    )  # fmt: skip
    table = LatencyTable.read(tmp_path / PROFILE)
    dense, narrow = table.checks

    assert ("CPU", "f32", 1) == (
        table.origin.device, table.origin.precision, table.origin.threads,
    )  # fmt: skip
    assert "2026-01-31T12:00:00Z" == table.origin.date
    assert pytest.approx(dense.measured) == table.predict(shapes(net))
    assert 0 < narrow.measured
    assert cv2.imread(str(tmp_path / FIGURE)) is not None
    assert f"{Shape('conv', 3, 8, 3, 2, 32, 32)}" in lines[-1]
    assert lines[-1].splitlines()[-1].startswith("half width: predicted")


def test_a_stick_is_reckoned(tmp_path: Path) -> None:
    """Costs by layer and in sum, and never a millisecond."""
    net, lines = SSD(SPEC, width=0.25, neck=16), []
    run_profile(
        net, device="myriad", out=tmp_path, clock=time.process_time, now=NOW, say=lines.append
    )
    data = json.loads((tmp_path / PROFILE).read_text())

    assert list(shapes(net)) == list(data["layers"])
    assert data["total"]["cost"] == sum(layer["cost"] for layer in data["layers"].values())
    assert " ms" not in lines[-1]
    assert not (tmp_path / FIGURE).exists()


def test_another_device_is_refused(tmp_path: Path) -> None:
    """Told with those that there are."""
    with pytest.raises(CallError, match="can be cpu or myriad"):
        run_profile(
            SSD(SPEC, width=0.25), device="gpu",  # type: ignore[arg-type]
            out=tmp_path, clock=time.process_time, now=NOW,
        )  # fmt: skip


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_a_network_is_checked_at_half_its_width(backbone: str) -> None:
    """The same maps, none of them wider, in sum about half; none for what is narrow already."""
    net = SSD(SPEC, backbone=backbone, width=0.5, neck=16)
    narrow = half(net)

    assert narrow is not None
    wide, thin = shapes(net), shapes(narrow)
    assert [s.map for s in wide.values()] == [s.map for s in thin.values()]
    assert sum(s.cout for s in thin.values()) < 0.6 * sum(s.cout for s in wide.values())


def test_a_picture_has_a_panel_for_each_staircase(tmp_path: Path) -> None:
    """One row for three, two for four; a place that cannot be written is told."""
    three, four = (
        cv2.imdecode(
            np.frombuffer(draw([(STAIRS, 2)] * count, "a CPU"), np.uint8), cv2.IMREAD_COLOR
        )
        for count in (3, 4)
    )

    assert three.shape[1] == four.shape[1]
    assert three.shape[0] < four.shape[0]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_figure(tmp_path / "file" / "x.png", [(STAIRS, 1)], "a CPU")
