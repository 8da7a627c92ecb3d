"""Which form of a bundle's model a device runs: a float one, or int8 where that pays.

Decides from what the device says of itself, so that every verb on one machine decides alike.
Leaves the loading to `edge.detector.openvino`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from edge.contract.bundle import Bundle, Variant, family
from edge.contract.manifest import INT8
from edge.errors import DetectorError

AUTO = "auto"
CPUINFO = Path("/proc/cpuinfo")

# Dot products of 8-bit integers (VNNI). OpenVINO lists INT8 for older x86 CPUs, too, which have
# to put them together from several instructions; those of ARM (asimddp) are not measured.
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni"})


@dataclass(frozen=True, slots=True)
class Int8Support:
    """What a device makes of 8-bit integers: whether it runs them, whether that is faster."""

    runs: bool
    pays: bool


def read_support(core: Any, device: str, cpuinfo: Path = CPUINFO) -> Int8Support:  # noqa: ANN401 - OpenVINO has no types
    """Ask OpenVINO what a device can do, and Linux for the instructions of a CPU.

    Args:
        core: of OpenVINO.
        device: one that is there. Of those made of others nothing is known.
        cpuinfo: the kernel's description of the CPU; without it there are no instructions.
    """
    try:
        listed = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    except RuntimeError:
        listed = []
    runs = "INT8" in listed
    return Int8Support(runs, runs and family(device) == "CPU" and _has_dot_products(cpuinfo))


def choose_variants(
    bundle: Bundle, device: str, precision: str, support: Int8Support
) -> tuple[Variant, ...]:
    """The variants to try, the best first; more than one only with `auto`.

    Args:
        bundle: its variants for the device are looked at.
        device: as OpenVINO names it.
        precision: of `DetectorConfig`.
        support: of the device.

    Raises:
        DetectorError: int8 is asked for and the bundle or the device has none, or a float
            precision and the bundle has none.
    """
    made = bundle.variants(device)
    ints = tuple(variant for variant in made if variant.quantised)[:1]
    floats = tuple(variant for variant in made if not variant.quantised)[:1]
    if precision == AUTO:
        return ints + floats if support.pays else floats or ints
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    if precision != INT8:
        return floats or _refuse(precision, f"{name} has only int8 for {device}", "auto or int8")
    if not support.runs:
        return _refuse(precision, f"{device} does not run it", "auto or f32")
    return ints or _refuse(precision, f"{name} has no int8 variant for {device}", "auto or f32")


def _refuse(precision: str, why: str, instead: str) -> NoReturn:
    raise DetectorError(f"precision {precision}: {why}; set detector.precision to {instead}")


def _has_dot_products(cpuinfo: Path) -> bool:
    try:
        text = cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return bool(found and _DOT_PRODUCTS & set(found[1].split()))
