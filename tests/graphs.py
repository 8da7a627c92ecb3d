"""Tiny models for a door, good and bad ones: what each does when it is run is in its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset4, opset6

from edge.contract.bundle import Bundle, Manifest, ModelInput, Variant, write_bundle

HEAD = [0.0, 1.0, 0.9, 0.4, 0.4, 0.6, 0.6]  # image, label, score, box
MANIFEST = Manifest(
    name="door",
    version="1",
    counter=1,
    created="2026-01-31T12:00:00Z",
    input=ModelInput(32, 32),
    output="detection-output",
    labels=("head",),
    score=0.5,
    nms=0.5,
    variants=(Variant(("CPU",), "f32", "model.xml", "model.bin"),),
)
Graph = Callable[[Any], Any]  # from the picture to what is added to the table, a scalar


def constant(values: object) -> Any:
    return opset4.constant(np.asarray(values, np.float32))


def _nothing(picture: Any) -> Any:
    mean = opset4.reduce_mean(picture, [0, 1, 2, 3], True)
    return opset4.multiply(mean, constant(np.zeros((1, 1, 1, 1))))


def _square(picture: Any, side: int) -> Any:
    """A large matrix, full of the picture's mean."""
    return opset4.broadcast(
        opset4.reduce_mean(picture, [0, 1, 2, 3], False), opset4.constant([side, side])
    )


def _labours(side: int) -> Graph:
    def graph(picture: Any) -> Any:
        square = _square(picture, side)
        product = opset4.matmul(square, square, False, False)
        worked = opset4.reduce_mean(product, [0, 1], False)
        zero = opset4.multiply(worked, constant(0.0))
        return opset4.add(_nothing(picture), zero)

    return graph


def _write(folder: Path, rows: list[list[float]], graph: Graph, counter: int) -> Bundle:
    picture = opset4.parameter([1, 3, 32, 32], np.float32)
    model = openvino.Model([opset4.add(graph(picture), constant([[rows]]))], [picture])
    return _bundle(folder, model, counter)


def _bundle(folder: Path, model: Any, counter: int) -> Bundle:
    beside = folder.with_name(f"{folder.name}.ir")
    beside.mkdir()
    openvino.save_model(model, str(beside / "model.xml"), compress_to_fp16=False)
    files = {name: beside / name for name in ("model.xml", "model.bin")}
    return write_bundle(folder, replace(MANIFEST, counter=counter), files)


def sees_a_head(folder: Path, counter: int = 1) -> Bundle:
    """In every picture, at the same place."""
    return _write(folder, [HEAD], _nothing, counter)


def sees_nobody(folder: Path, counter: int = 2) -> Bundle:
    """Answers, and finds nothing."""
    return _write(folder, [[-1.0, *HEAD[1:]]], _nothing, counter)


def eats_memory(folder: Path, counter: int = 2) -> Bundle:
    """Gigabytes of it."""
    return _write(folder, [HEAD], _labours(40_000), counter)


def hangs(folder: Path, counter: int = 2) -> Bundle:
    """Would answer, in some minutes."""
    return _write(folder, [HEAD], _labours(7_000), counter)


def is_slow(folder: Path, counter: int = 2) -> Bundle:
    """Some hundredths of a second a picture."""
    return _write(folder, [HEAD], _labours(1_000), counter)


def crawls(folder: Path, counter: int = 2) -> Bundle:
    """Some tenths of a second a picture: several times as long as the shipped detector."""
    return _write(folder, [HEAD], _labours(2_000), counter)


def gives_up(folder: Path, counter: int = 2, *, after: int = 20) -> Bundle:
    """Answers so often, more than it is asked in its test, and then fails for want of memory."""
    picture = opset4.parameter([1, 3, 32, 32], np.float32)
    looks = opset4.add(opset6.read_value(constant([0.0]), "looks"), constant([1.0]))
    remember = opset6.assign(looks, "looks")
    tired = opset4.floor(opset4.divide(looks, constant([float(after)])))
    side = opset4.add(opset4.multiply(tired, constant([1e6])), constant([1.0]))
    shape = opset4.concat([opset4.convert(side, "i32")] * 2, 0)
    square = opset4.broadcast(opset4.reduce_mean(picture, [0, 1, 2, 3], False), shape)
    zero = opset4.multiply(opset4.reduce_mean(square, [0, 1], False), constant(0.0))
    table = opset4.result(opset4.add(zero, constant([[[HEAD]]])))
    return _bundle(folder, openvino.Model([table], [remember], [picture], "tired"), counter)


def raises(folder: Path, counter: int = 2) -> Bundle:
    """Cannot be read."""
    made = sees_a_head(folder, counter)
    files = {"model.xml": b"<net/>", "model.bin": b""}
    return write_bundle(folder, made.manifest, files)
