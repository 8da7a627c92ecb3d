"""A table answers for shapes between those that were measured, and for no others."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataError
from training.profile.shapes import Shape
from training.profile.staircase import Staircase, Step
from training.profile.survey import FULL, group, marks, settle
from training.profile.table import Check, LatencyTable, Lattice, Origin

pytestmark = pytest.mark.training

POINTWISE = Shape("conv", 64, 64, 1, 1, 8, 8)
DEPTHWISE = Shape("depthwise", 64, 64, 3, 1, 8, 8)
WIDTHS = (16, 32, 64)


def table(ragged: float = 0.0) -> LatencyTable:
    """1 us for each product of channels, in steps of 16 outputs; 2 us for each depthwise one."""
    pointwise = Lattice(
        POINTWISE.map, WIDTHS, WIDTHS,
        tuple(tuple(i * o / 1000 for o in WIDTHS) for i in WIDTHS),
        Step(), Step(16, ragged=ragged),
    )  # fmt: skip
    rows = (tuple(count / 500 for count in WIDTHS),)
    depthwise = Lattice(DEPTHWISE.map, (1,), WIDTHS, rows, Step(), Step(8))
    stairs = Staircase(POINTWISE, "cout", (63, 64), (4.0, 4.1), (3.9, 4.0), (5.0, 5.1))
    origin = Origin("CPU", "a CPU", "2026.4", "f32", 1, "2026-01-31T12:00:00Z")
    return LatencyTable(origin, 0.5, (pointwise, depthwise), (stairs,), (Check("half", 2.0, 2.1),))


def test_a_measured_shape_costs_what_was_measured() -> None:
    """At lattice points, of either kind; the step is that of the map."""
    assert pytest.approx(64 * 32 / 1000) == table().ms(replace(POINTWISE, cout=32))
    assert pytest.approx(64 / 500) == table().ms(DEPTHWISE)
    assert (16, 8) == (table().step(POINTWISE), table().step(DEPTHWISE))


@given(cin=st.integers(16, 64), cout=st.integers(16, 64))
def test_between_lattice_points_the_time_is_bilinear(cin: int, cout: int) -> None:
    """Inputs as they are, outputs rounded up to the step: a product is bilinear, so exact."""
    whole = -(-cout // 16) * 16

    assert pytest.approx(cin * whole / 1000) == table().ms(replace(POINTWISE, cin=cin, cout=cout))


def test_ragged_counts_cost_their_share_more() -> None:
    """A count that fills no whole step costs 5 % more than the next that does."""
    ragged = table(ragged=0.05)

    assert pytest.approx(1.05 * 64 * 64 / 1000) == ragged.ms(replace(POINTWISE, cout=49))
    assert pytest.approx(64 * 48 / 1000) == ragged.ms(replace(POINTWISE, cout=48))


def test_narrower_than_measured_costs_as_the_narrowest() -> None:
    """Nothing is extrapolated below."""
    assert table().ms(replace(POINTWISE, cin=16, cout=16)) == table().ms(
        replace(POINTWISE, cin=3, cout=1)
    )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (replace(POINTWISE, height=9), "no layer with this map was measured on CPU"),
        (replace(POINTWISE, cin=65), "wider than the widest that was measured, 64 channels"),
        (replace(POINTWISE, cout=65), "wider than the widest that was measured, 64 channels"),
    ],
    ids=["map", "cin", "cout"],
)
def test_what_was_never_measured_is_told(shape: Shape, message: str) -> None:
    """No guess: the shape, and what to profile."""
    with pytest.raises(DataError, match=message):
        table().ms(shape)


def test_a_network_is_the_sum_of_its_parts() -> None:
    """And of the overhead."""
    layers = {"a": POINTWISE, "b": DEPTHWISE, "c": POINTWISE}

    assert pytest.approx(0.5 + 2 * 4.096 + 0.128) == table().predict(layers)


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    """What is read is what was written."""
    table(0.05).write(tmp_path / "profile.json")

    assert table(0.05) == LatencyTable.read(tmp_path / "profile.json")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", 2, "is of schema 2, this program reads 1"),
        ("lattices", [{}], "is no latency table"),
        ("origin", {"device": "CPU"}, "is no latency table"),
        ("overhead", None, "is no latency table"),
    ],
)
def test_a_strange_file_is_told(key: str, value: object, message: str, tmp_path: Path) -> None:
    """Another schema, or parts that are none: the file's name, and what is wrong."""
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({**table().to_json(), key: value}))

    with pytest.raises(DataError, match=rf"profile\.json: {message}"):
        LatencyTable.read(path)


def test_no_file_and_no_json_are_told(tmp_path: Path) -> None:
    """As is a place that cannot be written."""
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("none")
    for name in ("list.json", "text.json", "missing.json"):
        with pytest.raises(DataError, match=name):
            LatencyTable.read(tmp_path / name)
    with pytest.raises(DataError, match="cannot be written"):
        table().write(tmp_path / "text.json" / "profile.json")


def test_a_lattice_has_a_time_for_each_pair() -> None:
    """A row too short, or counts that fall, cannot be made."""
    for cout, rows in (((16, 32), ((1.0,),)), ((32, 16), ((1.0, 2.0),))):
        with pytest.raises(ValueError, match="a time for each pair"):
            Lattice(POINTWISE.map, (16,), cout, rows, Step(), Step())


def test_layers_are_grouped_by_their_maps() -> None:
    """In order, each width once; the widest has the most of either axis."""
    narrow, tall = replace(POINTWISE, cin=128, cout=8), replace(POINTWISE, height=9)
    groups = group([POINTWISE, tall, narrow, POINTWISE])

    assert [POINTWISE.map, tall.map] == [each.map for each in groups]
    assert (POINTWISE, narrow) == groups[0].layers
    assert replace(POINTWISE, cin=128) == groups[0].widest
    assert DEPTHWISE == group([DEPTHWISE])[0].widest


def test_an_axis_is_measured_at_whole_steps_up_to_the_widest() -> None:
    """Shares of the widest, and the network's own counts; a narrow axis at those alone."""
    assert (16, 32, 64, 128, 192, 256) == marks([256], 16, FULL.shares)
    assert (16, 32, 64, 128, 192, 256) == marks([256, 128, 12], 16, FULL.shares)
    assert (8, 15, 30, 45, 60) == marks([60], 1, FULL.shares)
    assert (3,) == marks([3], 1, FULL.shares)


def test_a_step_lost_in_noise_is_that_of_the_same_kernel() -> None:
    """If most maps of the kernel have one; an axis without steps stays so."""
    maps = [replace(POINTWISE, height=height).map for height in (8, 16, 32)]
    found = {(key, "cout"): Step(16, 1.0, 0.5, ragged=0.02) for key in maps[:2]}
    settled = settle(
        {
            **found,
            (maps[2], "cout"): Step(),
            (maps[0], "cin"): Step(8),
            (maps[1], "cin"): Step(),
            (DEPTHWISE.map, "cout"): Step(),
        }
    )

    assert Step(16, ragged=0.02) == settled[maps[2], "cout"]
    assert Step(16, 1.0, 0.5, 0.02) == settled[maps[0], "cout"]
    assert Step() == settled[maps[1], "cin"]
    assert Step() == settled[DEPTHWISE.map, "cout"]
