"""Small data sets of every kind on disk, and photos as cameras and phones write them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.types import Image
from tests.training.kit import HEIGHT, WIDTH, pictures

BOX = (10, 12, 20, 30)  # of every picture of a written set, unless said otherwise


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A picture file of noise, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    path.write_bytes(encoded(noise, path.suffix))
    return path


def encoded(image: np.ndarray, suffix: str = ".jpg") -> bytes:
    """A picture's file."""
    done, data = cv2.imencode(suffix, image)
    assert done
    return bytes(data)


def with_orientation(jpeg: bytes, orientation: int, order: str = "<") -> bytes:
    """The JPEG with an EXIF block that says how to turn it."""
    tiff = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    tiff += struct.pack(f"{order}HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def write_csv(folder: Path, rows: Sequence[str] = (), splits: Sequence[str] = ()) -> Path:
    """Our own layout: pictures 0.png to 3.png with one disc each, and more rows."""
    for number, picture in enumerate(pictures(4)):
        path = folder / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture.image, ".png"))
    boxes = [picture.boxes[0].astype(int).tolist() for picture in pictures(4)]
    lines = ["image,label,xmin,ymin,xmax,ymax,width,height"]
    for k, (x1, y1, x2, y2) in enumerate(boxes):
        lines.append(f"{k}.png,head,{x1},{y1},{x2},{y2},{WIDTH},{HEIGHT}")
    (folder / "heads.csv").write_text("\n".join([*lines, *rows]) + "\n", encoding="utf-8")
    if splits:
        (folder / "split.csv").write_text("\n".join(["image,split", *splits]) + "\n")
    return folder


def voc_object(box: Sequence[object] = BOX, name: str = "head", difficult: int = 0) -> str:
    """One object of a VOC file."""
    tags = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    corners = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult>"
        f"<bndbox>{corners}</bndbox></object>"
    )


def add_voc(
    folder: Path, name: str, *objects: str, size: tuple[int, int] = (WIDTH, HEIGHT), seed: int = 0
) -> Path:
    """Add one picture to a VOC set."""
    path = photo(folder / "JPEGImages" / name, seed or len(name) + sum(name.encode()))
    xml = folder / "Annotations" / f"{path.stem}.xml"
    xml.parent.mkdir(parents=True, exist_ok=True)
    xml.write_text(
        f"<annotation><filename>{name}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height></size>{''.join(objects)}</annotation>",
        encoding="utf-8",
    )
    return folder


def write_coco(file: Path, boxes: Sequence[dict[str, object]], *names: str) -> Path:
    """A COCO file of named pictures; boxes are annotations, with what is missing filled in."""
    for seed, name in enumerate(names):
        photo(file.parent / name, seed)
    images = [
        {"id": k, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for k, name in enumerate(names)
    ]
    usual = {"image_id": 0, "category_id": 1, "bbox": [10, 12, 10, 18], "iscrowd": 0}
    annotations = [{"id": 7 + k, **usual, **box} for k, box in enumerate(boxes)]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "head"}],
    }
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def write_yolo(folder: Path, labels: dict[str, str], names: str = "names: [head]\n") -> Path:
    """A YOLO set: `train/a` -> text of its label file; class names unless empty."""
    for seed, (name, text) in enumerate(labels.items()):
        photo(folder / "images" / f"{name}.jpg", seed)
        file = folder / "labels" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if names:
        (folder / "data.yaml").write_text(names)
    return folder


def corner_marked(width: int = 48, height: int = 32) -> Image:
    """A dark picture whose one light square, x 4..12 and y 2..8, tells how it is turned."""
    image = np.full((height, width, 3), 20, np.uint8)
    image[2:8, 4:12] = 250
    return image
