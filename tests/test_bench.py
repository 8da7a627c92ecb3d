"""`headcount bench`: figures of this very machine, in a form that can be sent in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import edge.bench
from edge.bench import Spread, describe
from edge.machine import Machine
from tests.conftest import headcount


def test_a_second_on_this_machine(tmp_path: Path) -> None:
    """Every field that the module promises, positive figures, and stages that fit the rate."""
    outcome = headcount("bench", "--seconds", "1", "--device", "CPU", "--json")
    told = outcome.json

    assert 0 == outcome.code, outcome.err
    for name in told:
        assert name in (edge.bench.__doc__ or ""), f"{name} is not documented"
    assert 1 <= told["seconds"] < 30
    assert told["frames"] >= 5
    assert told["frames"] / told["seconds"] == pytest.approx(told["fps"], abs=0.01)
    assert {"picture", "inference", "counting"} == told["ms"].keys()
    for stage in told["ms"].values():
        assert 0 < stage["median"] <= stage["p95"]
    longest = max(stage["median"] for stage in told["ms"].values())
    assert told["fps"] < 2 * 1000 / longest  # one picture at a time is inferred
    assert told["detector"]["device"].startswith("CPU")
    assert 0 == told["detector"]["stood_in"]
    assert told["machine"]["cores"] >= 1
    assert told["machine"]["openvino"]
    assert told["before"]["rss_mb"] > 10


def test_a_table_for_people() -> None:
    """Without --json: the machine, the model and its device, the rate, each stage."""
    outcome = headcount("bench", "--seconds", "0.3", "--device", "CPU", "--precision", "f32")

    assert 0 == outcome.code, outcome.err
    for word in ("cores", "CPU (f32)", "pictures/s", "median", "inference", "after"):
        assert word in outcome.out


def test_figures_of_the_cpu_are_not_given_for_a_stick(tmp_path: Path) -> None:
    """Where the stick's runtime sees no stick, the report says who looked at the pictures."""
    config = tmp_path / "door.toml"
    config.write_text(f'[detector]\ndevice = "MYRIAD"\nncs_python = "{sys.executable}"\n')
    outcome = headcount("bench", "--seconds", "0.2", "-c", config, "--json")
    told = outcome.json

    assert 0 == outcome.code, outcome.err
    assert told["detector"]["device"].startswith("CPU (f32), ")
    assert told["frames"] <= told["detector"]["stood_in"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--seconds", "0"], 2, "--seconds 0: give a number above 0"),
        (["--seconds", "-1"], 2, "--seconds -1"),
        (["--seconds", "nan"], 2, "--seconds nan"),
        (["--device", "XPU"], 1, "device XPU"),
        (["--model", "/nowhere"], 1, "no such bundle"),
        (["-c", "/nowhere.toml"], 1, "no such configuration file"),
    ],
)
def test_what_cannot_be_measured_is_told(arguments: list[str], code: int, told: str) -> None:
    """One line; 2 where the call is wrong, 1 where the device or the model is."""
    outcome = headcount("bench", *arguments)

    assert code == outcome.code
    assert outcome.is_one_clear_line()
    assert told in outcome.err


def tell(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_board_tells_its_name(tmp_path: Path) -> None:
    """A Raspberry Pi's name is in the device tree; memory is in MB of 10^6 bytes."""
    tell(tmp_path / "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    tell(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: ARMv7\n")
    tell(tmp_path / "proc/meminfo", "MemTotal:        3884340 kB\n")

    assert ("Raspberry Pi 4 Model B Rev 1.4", 3978) == (
        describe(tmp_path)["model"], describe(tmp_path)["memory_mb"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cpuinfo", "model"),
    [
        ("model name\t: AMD EPYC\n", "AMD EPYC"),
        ("CPU part : 0xd08\nModel : Raspberry Pi 4\n", "Raspberry Pi 4"),
        ("", None),
    ],
)
def test_without_a_device_tree_the_cpu_is_told(tmp_path: Path, cpuinfo: str, model: str) -> None:
    """The kernel's name of board or CPU, or nothing."""
    tell(tmp_path / "proc/cpuinfo", cpuinfo)

    assert model == describe(tmp_path)["model"]


def test_a_warm_and_weak_machine_is_told(tmp_path: Path) -> None:
    """What the firmware and the thermal zones tell stands in the report, before and after."""
    firmware = tmp_path / "vcgencmd"
    tell(firmware, "#!/bin/sh\necho throttled=0x50005\n")
    firmware.chmod(0o755)
    tell(tmp_path / "sys/class/thermal/thermal_zone0/temp", "81200\n")
    felt = edge.bench.feeling(Machine(tmp_path, str(firmware)))

    assert (81.2, None) == (felt["temperature_c"], felt["rss_mb"])
    assert {"under-voltage", "throttled"} <= set(felt["throttled"])


def test_spread_of_a_stage() -> None:
    """The middle, and what 19 of 20 pictures stay below."""
    assert Spread(50.5, 95.05) == Spread.of(list(range(1, 101)))
