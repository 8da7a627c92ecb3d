"""Rendered pictures as a data set on disk: images/, heads.csv, split.csv and a contact sheet."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.errors import CallError, DataError
from edge.types import Image
from training.data.cache import SEEN
from training.data.headcsv import COLUMNS
from training.synth import Wish, render
from training.synth.solids import Floats

_EACH = 10  # every tenth picture is for validation, the one after it for the test
_SHEET = (6, 6)  # pictures across and down
_TILE = 200  # pixels, their width


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be drawn: picture k from the seed (seed, k), at (width, height) pixels.

    Raises:
        CallError: there is nothing to draw, or the pictures are too small or too large.
    """

    count: int
    seed: int
    size: tuple[int, int]
    wish: Wish

    def __post_init__(self) -> None:
        if self.count < 1:
            raise CallError(f"--count {self.count}: must be at least 1")
        if self.seed < 0:
            raise CallError(f"--seed {self.seed}: must be 0 or more")
        if not all(32 <= side <= 2000 for side in self.size):
            raise CallError(
                f"--size {self.size[0]}x{self.size[1]}: each side from 32 to 2000 pixels"
            )

    def draw(self, number: int) -> tuple[Image, Floats, Floats]:
        """Picture, boxes (n, 4) and visible shares (n,), see `training.synth.render`."""
        return render(np.random.default_rng((self.seed, number)), *self.size, self.wish)


def read_size(text: str) -> tuple[int, int]:
    """`400x300` as (400, 300); a CallError if it is not of that form."""
    if not (match := re.fullmatch(r"(\d+)x(\d+)", text)):
        raise CallError(f"--size {text!r}: must be like 400x300")
    return int(match[1]), int(match[2])


def read_tilt(text: str) -> tuple[float, float]:
    """`0-60` as (0.0, 60.0); a CallError if it is not of that form."""
    if not (match := re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text)):
        raise CallError(f"--tilt {text!r}: must be like 0-60")
    return float(match[1]), float(match[2])


def write_set(order: Order, out: Path) -> str:
    """Draw a data set into a new folder; gives one line that says what is there.

    Raises:
        DataError: the folder has something in it, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is there already and not empty; give another --out")
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        return _write(order, out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}") from error


def _write(order: Order, out: Path) -> str:
    rows: list[list[str]] = []
    names: list[str] = []
    tiles: list[Image] = []
    for number in range(order.count):
        names.append(f"{number:06d}.jpg")
        image, boxes, visible = order.draw(number)
        _save(out / "images" / names[-1], image)
        rows += [[names[-1], *row] for row in _rows(boxes, visible, order.size)]
        if len(tiles) < _SHEET[0] * _SHEET[1]:
            tiles.append(tile(image, boxes, visible))
    splits = [[name, _split(number)] for number, name in enumerate(names)]
    _table(out / "heads.csv", COLUMNS, rows)
    _table(out / "split.csv", ("image", "split"), splits)
    _save(out / "contact.png", contact_sheet(tiles))
    ignored = sum(row[1] == "ignore" for row in rows)
    return f"{out}: {order.count} pictures, {len(rows) - ignored} heads, {ignored} ignored regions"


def _rows(boxes: Floats, visible: Floats, size: tuple[int, int]) -> list[list[str]]:
    """Label, corners and picture size of each head; what sticks out of the picture is cut off."""
    cut = np.clip(boxes, 0, np.array([*size, *size]))
    whole = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    left = np.prod(cut[:, 2:] - cut[:, :2], axis=1)
    rows = []
    for box, seen, share in zip(cut, visible, left / np.maximum(whole, 1e-9), strict=True):
        if (box[2:] - box[:2]).min() < 1:
            continue
        label = "head" if seen >= SEEN and share >= 0.5 else "ignore"
        rows.append([label, *(f"{value:.1f}" for value in box), *map(str, size)])
    return rows


def _split(number: int) -> str:
    return {0: "val", 1: "test"}.get(number % _EACH, "train")


def _table(path: Path, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _save(path: Path, image: Image) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else []
    _, data = cv2.imencode(path.suffix, image, options)
    path.write_bytes(data.tobytes())


def tile(image: Image, boxes: Floats, visible: Floats) -> Image:
    """The picture made small, heads framed in green, ignored ones in red."""
    scale = _TILE / image.shape[1]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for box, seen in zip(boxes * scale, visible, strict=True):
        x1, y1, x2, y2 = (int(value) for value in box)
        colour = (0, 220, 0) if seen >= SEEN else (0, 0, 230)
        cv2.rectangle(small, (x1, y1), (x2, y2), colour, 1)
    return np.asarray(small, np.uint8)


def contact_sheet(tiles: list[Image]) -> Image:
    """Pictures of one size side by side, row by row; what is missing is black."""
    columns = min(_SHEET[0], len(tiles))
    blanks = [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    every = [*tiles, *blanks]
    rows = [np.hstack(every[k : k + columns]) for k in range(0, len(every), columns)]
    return np.asarray(np.vstack(rows), np.uint8)
