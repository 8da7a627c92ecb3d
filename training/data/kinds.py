"""Which kind of annotations a folder holds, and the reader for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CallError, DataError
from training.data.coco import coco_files, read_coco_set
from training.data.headcsv import read_csv_set
from training.data.records import RawSet
from training.data.voc import annotation_files, read_voc_set
from training.data.yolo import looks_like_yolo, read_yolo_set

READERS: dict[str, Callable[[Path], RawSet]] = {
    "csv": read_csv_set,
    "voc": read_voc_set,
    "coco": read_coco_set,
    "yolo": read_yolo_set,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of annotations, and the file that shows it."""

    name: str
    evidence: str

    def line(self) -> str:
        """One line for a person."""
        return f"{self.name} ({self.evidence})"


def recognise(path: Path) -> Kind:
    """The kind of a folder, or of a COCO file.

    Raises:
        DataError: there is nothing that a reader knows.
        CallError: there is more than one kind; `--kind` chooses.
    """
    if not path.exists():
        raise DataError(f"{path}: no such folder or file")
    found = [Kind(name, evidence) for name, evidence in _evidence(path).items() if evidence]
    if not found:
        raise DataError(
            f"{path}: no pictures with annotations here: neither heads.csv, Annotations/*.xml, "
            "a COCO *.json nor labels/*.txt"
        )
    if len(found) > 1:
        seen = " and ".join(kind.line() for kind in found)
        raise CallError(f"{path}: looks like {seen}; choose one with --kind")
    return found[0]


def open_set(path: Path, kind: str = "auto", *, unit: str = "share") -> RawSet:
    """Read a set of any kind.

    Args:
        path: a folder, or a COCO file.
        kind: csv, voc, coco or yolo; auto recognises it.
        unit: of YOLO's numbers.

    Raises:
        DataError: it cannot be read at all; what is wrong within it is collected instead.
        CallError: there is no such kind, or it is not clear which it is.
    """
    name = recognise(path).name if kind == "auto" else kind
    if name not in READERS:
        raise CallError(f"kind {name!r} must be one of auto, {', '.join(READERS)}")
    if not path.exists():
        raise DataError(f"{path}: no such folder or file")
    return read_yolo_set(path, unit) if name == "yolo" else READERS[name](path)


def _evidence(path: Path) -> dict[str, str]:
    """What shows each kind; empty where nothing does."""
    if path.is_file():
        return {"coco": path.name if path.suffix.lower() == ".json" else ""}
    xml, coco = annotation_files(path), coco_files(path)
    return {
        "csv": "heads.csv" if (path / "heads.csv").is_file() else "",
        "voc": f"{xml[0].relative_to(path)}" if xml else "",
        "coco": f"{coco[0].relative_to(path)}" if coco else "",
        "yolo": looks_like_yolo(path),
    }
