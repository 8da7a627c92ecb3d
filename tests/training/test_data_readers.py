"""Readers of every kind: the same records, with the line each box came from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import CallError, DataError
from tests.training.sets import BOX, add_voc, photo, voc_object, write_coco, write_csv, write_yolo
from training.data.heads import read_heads
from training.data.kinds import open_set, recognise
from training.data.records import RawSet

YOLO_BOX = "0 0.15625 0.328125 0.104166667 0.28125\n"  # BOX as shares of 96 x 64


def csv_set(folder: Path) -> Path:
    """Our own layout with BOX on the first picture."""
    return write_csv(folder, [f"0.png,ignore,{','.join(map(str, BOX))},96,64"], ["0.png,train"])


def voc_set(folder: Path) -> Path:
    """A VOC set of one picture with BOX."""
    add_voc(folder, "a.jpg", voc_object())
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "train.txt").write_text("a\n")
    return folder


def coco_set(folder: Path) -> Path:
    """A COCO set of one picture with BOX."""
    folder.mkdir()
    write_coco(folder / "instances_train2017.json", [{}], "a.jpg")
    return folder


def yolo_set(folder: Path) -> Path:
    """A YOLO set of one picture with BOX."""
    return write_yolo(folder, {"train/a": YOLO_BOX})


SETS = {"csv": csv_set, "voc": voc_set, "coco": coco_set, "yolo": yolo_set}


@pytest.mark.parametrize("kind", SETS)
def test_every_kind_is_recognised_and_gives_the_same_box(tmp_path: Path, kind: str) -> None:
    """Nobody needs to name the kind; boxes come in pixels, and by split."""
    folder = SETS[kind](tmp_path / "set")
    (sample,) = read_heads(folder, "train")

    assert kind == recognise(folder).name
    assert np.allclose(BOX, sample.boxes[-1], atol=1e-3)
    assert [sample.path.name] == [each.path.name for each in read_heads(folder, "train", kind)]


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("csv", "heads.csv:6"),
        ("voc", "a.xml: object 1"),
        ("coco", "instances_train2017.json: annotation 7"),
        ("yolo", "a.txt:1"),
    ],
)
def test_every_box_knows_where_it_was_written(tmp_path: Path, kind: str, place: str) -> None:
    """File and line, object number or annotation id."""
    raw = open_set(SETS[kind](tmp_path / "set"))
    (picture, *_) = [each for each in raw.pictures if each.boxes]

    assert picture.boxes[-1].where.endswith(place)


def test_a_set_of_two_kinds_asks_which(tmp_path: Path) -> None:
    """Nothing is guessed where two readers would both find something; the kind can be told."""
    folder = yolo_set(voc_set(tmp_path / "set"))

    with pytest.raises(CallError, match=r"voc .*a\.xml.* and yolo .*data\.yaml.*--kind"):
        recognise(folder)

    assert "voc" == open_set(folder, "voc").kind


def test_what_no_reader_knows_is_told(tmp_path: Path) -> None:
    """An empty folder, no folder, an unknown kind, an unknown split."""
    with pytest.raises(DataError, match="no pictures with annotations"):
        read_heads(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_heads(tmp_path / "none", kind="voc")
    with pytest.raises(CallError, match="kind 'xls' must be one of auto, csv"):
        read_heads(tmp_path, kind="xls")
    with pytest.raises(DataError, match=r"'test' \(known are train\)"):
        read_heads(csv_set(tmp_path / "set"), "test")


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo"])
def test_spaces_and_umlauts_are_names_like_others(tmp_path: Path, kind: str) -> None:
    """Even when the file system has an umlaut in two characters and the annotation in one."""
    written, on_disk = "Tür 1 ü.jpg", "Tu\u0308r 1 u\u0308.jpg"
    folder = tmp_path / "Ein Gruß"
    if kind == "voc":
        add_voc(folder, written, voc_object())
        (folder / "JPEGImages" / written).rename(folder / "JPEGImages" / on_disk)
    elif kind == "coco":
        folder.mkdir()
        write_coco(folder / "a.json", [{}], written)
        (folder / written).rename(folder / on_disk)
    else:
        write_yolo(folder, {written.removesuffix(".jpg"): YOLO_BOX})
    (sample,) = read_heads(folder)

    assert np.allclose([BOX], sample.boxes, atol=1e-3)


def kinds_of(raw: RawSet) -> list[tuple[str, str]]:
    """(where from the last slash on, kind) of a set's problems."""
    return [(problem.where.rpartition("/")[2], problem.kind) for problem in raw.problems]


def test_all_wrong_rows_of_a_csv_are_collected(tmp_path: Path) -> None:
    """One read tells of every bad row, with its line; quoted line ends do not shift the count."""
    rows = ["0.png,head,a,5,20,20,96,64", "none.png,head,5,5,20,20,96,64", "0.png,head,5,5,20"]
    folder = write_csv(tmp_path / "set", rows, ["0.png,train", "0.png,train"])

    assert [
        ("heads.csv:6", "number"),
        ("heads.csv:7", "no-picture"),
        ("heads.csv:8", "number"),
        ("split.csv:3", "twice"),
    ] == kinds_of(open_set(folder))[:4]


def test_a_csv_that_cannot_be_understood_is_told(tmp_path: Path) -> None:
    """A missing column, columns parted by semicolons, another encoding than UTF-8."""
    folder = write_csv(tmp_path / "set")
    table = folder / "heads.csv"
    text = table.read_text()
    table.write_text(text.replace(",", ";"))
    with pytest.raises(DataError, match=r"heads\.csv:1: no column image.*parted by commas"):
        read_heads(folder)
    table.write_text("image,label\n")
    with pytest.raises(DataError, match=r"heads\.csv:1: no column xmin"):
        read_heads(folder)
    table.write_bytes(text.replace("0.png", "Tür.png").encode("cp1252"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_heads(folder)


def test_a_csv_as_spreadsheets_write_it_is_read(tmp_path: Path) -> None:
    """A byte order mark and DOS line ends are no fault."""
    folder = write_csv(tmp_path / "set")
    text = (folder / "heads.csv").read_text().replace("\n", "\r\n")
    (folder / "heads.csv").write_bytes(text.encode("utf-8-sig"))

    assert 4 == sum(len(sample.boxes) for sample in read_heads(folder))


def test_a_voc_set_that_counts_from_one_is_moved(tmp_path: Path) -> None:
    """No corner at 0, some at 1 and at the far edge: the first pixel is 1, so the edge is at 0."""
    folder = add_voc(tmp_path / "one", "a.jpg", voc_object((1, 12, 96, 30)), voc_object())
    raw = open_set(folder)

    assert [[0, 11, 96, 30], [9, 11, 20, 30]] == read_heads(folder)[0].boxes.tolist()
    assert "count from 1" in raw.notes[0]


@pytest.mark.parametrize(
    "box", [(0, 12, 96, 30), (1, 12, 95, 30), (2, 12, 96, 30), (1.5, 12, 96, 30)]
)
def test_a_voc_set_that_counts_from_zero_is_left(tmp_path: Path, box: tuple[float, ...]) -> None:
    """A corner at 0, none at 1, none at the far edge, or fractions: nothing is moved."""
    folder = add_voc(tmp_path / "zero", "a.jpg", voc_object(box))

    assert [list(box)] == read_heads(folder)[0].boxes.tolist()
    assert () == open_set(folder).notes


def test_what_is_wrong_in_a_voc_set_is_collected(tmp_path: Path) -> None:
    """No XML, no number, no picture, no annotation, a list that names what is not there."""
    folder = voc_set(tmp_path / "set")
    add_voc(folder, "b.jpg", voc_object(), voc_object(("x", 1, 2, 3)))
    add_voc(folder, "c.jpg")
    (folder / "Annotations" / "c.xml").write_text("<annotation>")
    add_voc(folder, "d.jpg")
    (folder / "JPEGImages" / "d.jpg").unlink()
    photo(folder / "JPEGImages" / "e.jpg")
    (folder / "ImageSets" / "Main" / "val.txt").write_text("b\nz\n")
    (folder / "ImageSets" / "Main" / "head_val.txt").write_text("b  1\nz -1\n")

    assert {
        ("val.txt:2", "unannotated"),
        ("b.xml: object 2", "number"),
        ("c.xml", "file"),
        ("d.xml", "no-picture"),
        ("e.jpg", "unannotated"),
    } == set(kinds_of(open_set(folder)))
    assert ("train", "val") == open_set(folder).splits


def test_a_voc_file_that_names_another_picture_is_told(tmp_path: Path) -> None:
    """A copied <filename> would put one picture's boxes on another."""
    folder = add_voc(add_voc(tmp_path / "set", "a.jpg", voc_object()), "b.jpg", voc_object())
    xml = folder / "Annotations" / "b.xml"
    xml.write_text(xml.read_text().replace("b.jpg", "a.jpg"))
    (problem,) = open_set(folder).problems

    assert "says 'a.jpg', but its own name 'b.jpg'" in problem.what
    (folder / "JPEGImages" / "b.jpg").unlink()
    assert [("b.xml", "twice")] == kinds_of(open_set(folder))


def test_pictures_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    """Rows that name the folder find their own; a row that does not is told."""
    rows = [f"{name},head,1,2,30,40,96,64" for name in ("one/a.png", "two/a.png", "a.png")]
    folder = write_csv(tmp_path / "set", rows)
    for seed, name in enumerate(("one", "two")):
        photo(folder / "images" / name / "a.png", seed)
    raw = open_set(folder)

    assert [("heads.csv:8", "no-picture")] == kinds_of(raw)
    assert [1, 1] == [len(each.boxes) for each in raw.pictures if each.path.name == "a.png"]


def test_difficult_objects_and_crowds_are_ignored(tmp_path: Path) -> None:
    """They are neither right nor wrong to find."""
    voc = add_voc(tmp_path / "voc", "a.jpg", voc_object(difficult=1), voc_object(name="ignore"))
    coco = write_coco(tmp_path / "b.json", [{"iscrowd": 1}, {}], "a.jpg")

    assert [True, True] == read_heads(voc)[0].ignore.tolist()
    assert [True, False] == read_heads(coco)[0].ignore.tolist()


@pytest.mark.parametrize(
    ("box", "kind", "told"),
    [
        ({"category_id": 0}, "class", "0 is the background"),
        ({"category_id": 9}, "class", "not among the categories (1 head)"),
        ({"image_id": 5}, "no-picture", "not among the images"),
        ({"bbox": [1, 2, 3]}, "number", "four numbers"),
        ({"bbox": None}, "number", "four numbers"),
    ],
)
def test_a_wrong_coco_annotation_is_told(
    tmp_path: Path, box: dict[str, object], kind: str, told: str
) -> None:
    """By its id."""
    (problem,) = open_set(write_coco(tmp_path / "b.json", [box], "a.jpg")).problems

    assert problem.where.endswith("b.json: annotation 7")
    assert kind == problem.kind
    assert told in problem.what


@pytest.mark.parametrize("text", ["{", "[1]", '{"images": 3}', '{"images": [3]}'])
def test_a_broken_coco_file_is_told(tmp_path: Path, text: str) -> None:
    """Not JSON, no object, lists that are none."""
    (tmp_path / "b.json").write_text(text)

    with pytest.raises(DataError, match=r"b\.json"):
        read_heads(tmp_path / "b.json")


def test_coco_splits_are_files(tmp_path: Path) -> None:
    """Named in the file or its folder; pictures of one name are told apart by their folders."""
    for split in ("train", "valid"):
        folder = tmp_path / "set" / split
        folder.mkdir(parents=True)
        write_coco(folder / "_annotations.coco.json", [{}], "a.jpg")
    raw = open_set(tmp_path / "set")

    assert ("train", "valid") == raw.splits
    assert ["train/a.jpg", "valid/a.jpg"] == [
        each.path.relative_to(tmp_path / "set").as_posix() for each in raw.pictures
    ]
    assert 1 == len(read_heads(tmp_path / "set", "valid"))


def test_missing_and_unnamed_pictures_of_coco_are_told(tmp_path: Path) -> None:
    """An image without a file, a file without an image, an image listed twice."""
    file = write_coco(tmp_path / "b.json", [], "a.jpg", "c.jpg")
    content = json.loads(file.read_text())
    content["images"] += [{"id": 9, "file_name": "none.jpg"}, {"id": 10, "file_name": "a.jpg"}]
    content["images"] = [each for each in content["images"] if each["file_name"] != "c.jpg"]
    file.write_text(json.dumps(content))

    assert [
        ("b.json: image 9", "no-picture"),
        ("b.json: image 10", "twice"),
        ("c.jpg", "unannotated"),
    ] == kinds_of(open_set(file))


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("1 0.5 0.5 0.1 0.1\n", "class", "YOLO counts classes from 0"),
        ("5 0.5 0.5 0.1 0.1\n", "class", "class 5 has no name (known are 0 head)"),
        ("0 50 50 10 10\n", "unit", "--unit percent"),
        ("0 480 320 64 64\n", "unit", "--unit pixel"),
        ("0 0.5 0.5 0.1\n", "number", "4 numbers"),
        ("head 0.5 0.5 0.1 0.1\n", "number", "not a number"),
    ],
)
def test_a_wrong_yolo_line_is_told(tmp_path: Path, text: str, kind: str, told: str) -> None:
    """By its line, blank ones counted."""
    (problem,) = open_set(write_yolo(tmp_path / "set", {"a": "\n" + text})).problems

    assert problem.where.endswith("labels/a.txt:2")
    assert kind == problem.kind
    assert told in problem.what


@pytest.mark.parametrize(
    ("unit", "text"),
    [("percent", "0 15.625 32.8125 10.4166667 28.125"), ("pixel", "0 15 21 10 18")],
)
def test_yolo_in_another_unit_is_read_when_told(tmp_path: Path, unit: str, text: str) -> None:
    """Percent and pixels give the same box as shares."""
    raw = open_set(write_yolo(tmp_path / "set", {"a": text}), unit=unit)
    (box,) = raw.pictures[0].boxes
    scale = np.array([96, 64, 96, 64]) if box.shares else 1

    assert () == raw.problems
    assert np.allclose(BOX, np.array(box.corners) * scale, atol=1e-3)


def test_a_yolo_polygon_becomes_the_box_around_it(tmp_path: Path) -> None:
    """Files of the segmentation form are read, too."""
    folder = write_yolo(tmp_path / "set", {"a": "0 0.25 0.5 0.5 0.25 0.5 0.75\n"})

    assert [[24, 16, 48, 48]] == read_heads(folder)[0].boxes.tolist()


def test_pictures_and_label_files_of_yolo_without_each_other_are_told(tmp_path: Path) -> None:
    """An empty file says that there is no head; a missing one says nothing."""
    folder = write_yolo(tmp_path / "set", {"a": "", "b": YOLO_BOX, "c": YOLO_BOX})
    (folder / "labels" / "b.txt").unlink()
    (folder / "images" / "c.jpg").unlink()

    assert [("b.jpg", "unannotated"), ("c.txt", "no-picture")] == kinds_of(open_set(folder))
    assert [("a.jpg", 0)] == [(p.path.name, len(p.boxes)) for p in open_set(folder).pictures]


@pytest.mark.parametrize(
    "names",
    [
        "path: ../elsewhere\ntrain: images/train  # first\nval: images/val\nnames: [head, 'hat']\n",
        "train: ../train.txt\nval: images/val\nnc: 2\nnames:\n  0: head\n  1: hat\n",
        "train:\n- images/train\nval: images/val\nnames:\n- head\n- hat\n",
    ],
    ids=["inline", "numbered", "dashes"],
)
def test_data_yaml_names_classes_and_splits(tmp_path: Path, names: str) -> None:
    """In each of the ways in which tools write it."""
    box = YOLO_BOX.replace("0 ", "1 ", 1)
    folder = write_yolo(tmp_path / "set", {"train/a": YOLO_BOX, "val/b": box}, names)
    (folder / "train.txt").write_text("./images/train/a.jpg\n")
    raw = open_set(folder)

    assert ("head", "hat") == (raw.pictures[0].boxes[0].label, raw.pictures[1].boxes[0].label)
    assert [("train",), ("val",)] == [each.splits for each in raw.pictures]
    assert () == raw.problems


def test_yolo_beside_its_pictures_is_recognised(tmp_path: Path) -> None:
    """Text files next to the pictures, names in classes.txt."""
    photo(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text(YOLO_BOX)
    (tmp_path / "classes.txt").write_text("head\n")
    (sample,) = read_heads(tmp_path)

    assert np.allclose([BOX], sample.boxes, atol=1e-3)


def test_the_one_class_of_a_set_is_the_head_and_two_are_not(tmp_path: Path) -> None:
    """`person` alone is taken for heads; beside another class somebody must say which it is."""
    folder = add_voc(tmp_path / "set", "a.jpg", voc_object(name="person"))

    assert [False] == read_heads(folder)[0].ignore.tolist()

    add_voc(folder, "b.jpg", voc_object(name="car"))

    with pytest.raises(DataError, match=r"class 'person' is unknown.*1 more: headcount-train data"):
        read_heads(folder)


def test_a_wrong_box_stops_training_with_its_place(tmp_path: Path) -> None:
    """The strict read names the first fault, and how to see them all."""
    folder = write_csv(tmp_path / "set", ["0.png,head,30,5,20,20,96,64", "0.png,hat,1,2,3,4,96,64"])

    with pytest.raises(DataError, match=r"heads\.csv:6: .*swapped; 1 more: .*data check"):
        read_heads(folder)
