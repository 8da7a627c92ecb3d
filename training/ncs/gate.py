"""Whether a model may be called one for the stick: `--check ncs` of `export` and `bundle`.

A model that the stick's compiler refuses ends the command before anything is written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.errors import DataError
from training.models.ssd import SSD
from training.ncs.blob import BlobInfo
from training.ncs.compiler import compile_for_stick
from training.ncs.tools import REQUIREMENT, Compiler
from training.profile.myriad import total
from training.profile.shapes import shapes


@dataclass(frozen=True, slots=True)
class Passed:
    """What is known of a model that the stick's compiler took.

    `cost` is that of `training.profile.myriad` in cycles; None where only a file is known.
    """

    blob: BlobInfo
    cost: int | None

    def to_json(self) -> dict[str, Any]:
        """The figures, for a report or a bundle's metrics."""
        return {"compiler": f"{REQUIREMENT} myriad_compile", **asdict(self.blob), "cost": self.cost}

    def line(self) -> str:
        """The figures for a person."""
        blob = self.blob
        cost = "not reckoned" if self.cost is None else f"{self.cost / 1e6:.2f} M cycles"
        return (
            f"compiles for the stick: {blob.stages} stages, {blob.hardware_stages} of them in "
            f"hardware; the compiler's cost {cost}; blob {blob.size / 1e6:.1f} MB, working memory "
            f"{blob.memory / 1e6:.1f} MB, {blob.cmx_slices} CMX slices, {blob.shaves} SHAVEs"
        )


def check_for_stick(
    compiler: Compiler, xml: bytes, weights: bytes, net: SSD | None = None
) -> Passed:
    """Compile an IR for a Myriad X.

    Args:
        compiler: from `find_compiler`.
        xml: the graph.
        weights: its `.bin`.
        net: what the IR was exported from, for its cost.

    Raises:
        BundleError: the compiler refuses the model.
        WorldError: the compiler cannot be run.
    """
    blob = compile_for_stick(xml, weights, compiler)
    return Passed(blob, None if net is None else total(shapes(net)).cost)


def check_file_for_stick(compiler: Compiler, xml: Path) -> Passed:
    """Compile a ready-made IR, whose weights lie beside it as `.bin`, for a Myriad X.

    Raises:
        DataError: the files cannot be read.
        BundleError, WorldError: as `check_for_stick`.
    """
    try:
        content = xml.read_bytes(), xml.with_suffix(".bin").read_bytes()
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return check_for_stick(compiler, *content)
