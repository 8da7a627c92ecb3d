"""`data check`: every problem of a set with its file and line, and what a fix would do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.errors import CallError
from tests.training.sets import (
    add_voc,
    corner_marked,
    encoded,
    photo,
    voc_object,
    with_orientation,
    write_csv,
    write_yolo,
)
from training.cli import main
from training.data.check import Findings, examine
from training.data.kinds import open_set
from training.data.records import PROBLEMS
from training.data.roles import parse_roles, roles_for
from training.data.settle import Rules

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_page_tells_of_every_problem() -> None:
    """Each word that the check counts by has its row in docs/data.md, and no other has one."""
    table = PAGE.read_text(encoding="utf-8").partition("| problem |")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)

    assert sorted(PROBLEMS) == sorted(rows)


def look(path: Path, fix: str = "", exif: str = "", classes: str = "") -> Findings:
    """Check a set."""
    raw = open_set(path)
    return examine(raw, Rules(roles_for(raw, parse_roles(classes)), raw.labels, fix, exif))


def told(findings: Findings) -> list[tuple[str, str, str]]:
    """(where from the last slash on, kind, mend) of each problem."""
    return [(p.where.rpartition("/")[2], p.kind, p.mend) for p in findings.problems]


BAD_BOXES = [
    ("5,5,5,20", "no-area", "box left out", None),
    ("30,5,20,20", "swapped", "corners swapped back", (20, 5, 30, 20)),
    ("5,5,120,20", "leaves", "clipped to the picture", (5, 5, 96, 20)),
    ("-5,5,20,20", "negative", "clipped to the picture", (0, 5, 20, 20)),
    ("100,5,120,20", "outside", "box left out", None),
    ("nan,5,20,20", "number", "box left out", None),
    ("a,5,20,20", "number", "box left out", None),
]


@pytest.mark.parametrize(("box", "kind", "mend", "clipped"), BAD_BOXES)
def test_a_bad_box_is_told_dropped_or_clipped(
    tmp_path: Path, box: str, kind: str, mend: str, clipped: tuple[float, ...] | None
) -> None:
    """By file and line; `drop` leaves it out, `clip` mends it where there is something to mend."""
    folder = write_csv(tmp_path / "set", [f"0.png,head,{box},96,64"])
    rows = {fix: look(folder, fix).seen[0].picture.rows[1:] for fix in ("drop", "clip")}

    assert [("heads.csv:6", kind, "")] == told(look(folder))
    assert [("heads.csv:6", kind, "box left out")] == told(look(folder, "drop"))
    assert [("heads.csv:6", kind, mend)] == told(look(folder, "clip"))
    assert () == rows["drop"]
    assert ([clipped] if clipped else []) == [row for row, _ in rows["clip"]]


def test_a_pixel_beyond_the_edge_is_rounding(tmp_path: Path) -> None:
    """It is cut off without a word, as is a box of the whole picture left alone."""
    folder = write_csv(tmp_path / "set", ["0.png,head,-1,0,97,64,96,64"])

    assert () == look(folder).problems
    assert (0, 0, 96, 64) == look(folder).seen[0].picture.rows[1][0]


def test_wrong_classes_are_told_with_the_option_that_mends_them(tmp_path: Path) -> None:
    """An unknown class, a background, and roles that are given."""
    objects = [voc_object(name=name) for name in ("head", "hat", "background")]
    folder = add_voc(tmp_path / "set", "a.jpg", *objects)
    unknown, background = look(folder).problems

    assert ("class", "background") == (unknown.kind, background.kind)
    assert "--classes background,hat=drop,head" in unknown.what
    assert [("a.xml: object 3", "background", "")] == told(look(folder, classes="hat,head=ignore"))
    rows = look(folder, classes="hat,head=ignore").seen[0].picture.rows
    assert [True, False] == [ignore for _, ignore in rows]
    assert () == look(folder, classes="head,hat=drop,background=drop").problems


@pytest.mark.parametrize("text", ["head=hat", "head,head", "=drop"])
def test_roles_that_make_no_sense_are_refused(text: str) -> None:
    """An unknown role, a class named twice, no class."""
    with pytest.raises(CallError, match="--classes"):
        parse_roles(text)


def damaged(folder: Path) -> None:
    """Spoil three of four pictures: cut off, no picture, empty."""
    first = folder / "images" / "0.png"
    first.write_bytes(first.read_bytes()[:-30])
    (folder / "images" / "1.png").write_text("no picture")
    (folder / "images" / "2.png").write_bytes(b"")


def test_damaged_pictures_are_all_told(tmp_path: Path) -> None:
    """Not only the first one; what is sound is still counted."""
    folder = write_csv(tmp_path / "set")
    damaged(folder)
    findings = look(folder, "drop")

    assert [(f"{k}.png", "damaged", "picture left out") for k in range(3)] == told(findings)
    assert ["3.png"] == [each.picture.path.name for each in findings.seen]


def test_deep_grey_and_transparent_pictures_are_accepted(tmp_path: Path) -> None:
    """They are what cameras and tools give; no word is lost about them."""
    folder = write_csv(tmp_path / "set")
    rng = np.random.default_rng(3)
    deep = rng.integers(0, 65535, (64, 96, 3), np.uint16)
    (folder / "images" / "0.png").write_bytes(encoded(deep, ".png"))
    for k, shape in ((1, (64, 96)), (2, (64, 96, 4))):
        image = rng.integers(0, 255, shape, np.uint8)
        (folder / "images" / f"{k}.png").write_bytes(encoded(image, ".png"))

    assert () == look(folder).problems


def turned_set(folder: Path, orientation: int, size: tuple[int, int]) -> Path:
    """A 48x32 photo turned by EXIF, annotated with a size; the box is the mark as stored."""
    add_voc(folder, "a.jpg", voc_object((4, 2, 12, 8)), size=size)
    data = with_orientation(encoded(corner_marked()), orientation)
    (folder / "JPEGImages" / "a.jpg").write_bytes(data)
    return folder


def test_boxes_on_the_upright_picture_are_right(tmp_path: Path) -> None:
    """The annotated size is the one shown: nothing to tell."""
    folder = turned_set(tmp_path / "set", 6, (32, 48))

    assert () == look(folder).problems
    assert (32, 48) == look(folder).seen[0].picture.size


def test_boxes_on_the_stored_picture_are_told_and_can_be_turned(tmp_path: Path) -> None:
    """The annotated size is the stored one: wrong for whoever sees the picture upright."""
    folder = turned_set(tmp_path / "set", 6, (48, 32))

    assert [("a.xml: object 1", "turned", "")] == told(look(folder))
    assert () == look(folder, "drop").seen
    assert [("a.xml: object 1", "turned", "boxes turned with the picture")] == told(
        look(folder, "clip")
    )
    assert (24, 4, 30, 12) == look(folder, "clip").seen[0].picture.rows[0][0]


def test_where_the_size_cannot_tell_nothing_is_guessed(tmp_path: Path) -> None:
    """A photo on its head has the same size either way; a person must say what was annotated."""
    folder = turned_set(tmp_path / "set", 3, (48, 32))
    upright, stored = look(folder, exif="upright"), look(folder, exif="stored")

    assert [("a.xml: object 1", "turned", "picture left out")] == told(look(folder, "clip"))
    assert () == upright.problems == stored.problems
    assert (4, 2, 12, 8) == upright.seen[0].picture.rows[0][0]
    assert (36, 24, 44, 30) == stored.seen[0].picture.rows[0][0]


def test_a_picture_of_another_size_than_annotated_is_told(tmp_path: Path) -> None:
    """It was resized after it was annotated, or is another one."""
    folder = add_voc(tmp_path / "set", "a.jpg", voc_object(), voc_object(), size=(192, 128))

    assert [("a.xml: object 1", "size", "")] == told(look(folder))


def test_equal_pictures_are_told_by_their_pixels(tmp_path: Path) -> None:
    """A copy under another name and in another format: one is kept."""
    folder = write_csv(tmp_path / "set")
    images = folder / "images"
    shutil.copy(images / "0.png", images / "copy.png")
    findings = look(folder, "drop")

    assert [("copy.png", "duplicate", "picture left out")] == told(findings)
    assert 4 == len(findings.seen)


def test_a_picture_on_both_sides_of_a_split_is_a_leak(tmp_path: Path) -> None:
    """By name or by pixels; with a fix it stays where it judges."""
    splits = ["0.png,train", "0.png,test", "1.png,train", "copy.png,val", "2.png,train"]
    folder = write_csv(tmp_path / "set", splits=splits)
    shutil.copy(folder / "images" / "1.png", folder / "images" / "copy.png")
    findings = look(folder, "drop")
    kept = {each.picture.path.name: each.picture.splits for each in findings.seen}

    assert ["0.png", "1.png"] == [p.where.rpartition("/")[2] for p in findings.problems]
    assert all(p.kind == "leak" and p.what.startswith("leak: ") for p in findings.problems)
    assert {"0.png": ("test",), "2.png": ("train",), "3.png": (), "copy.png": ("val",)} == kept


def test_an_empty_split_is_told(tmp_path: Path) -> None:
    """One that a list names, and one whose every picture is damaged."""
    folder = add_voc(tmp_path / "voc", "a.jpg", voc_object())
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("")
    spoilt = write_csv(tmp_path / "csv", splits=[f"{k}.png,{'train' if k < 3 else 'val'}" for k in
                                                 range(4)])  # fmt: skip
    damaged(spoilt)

    assert [("voc", "empty-split", "")] == told(look(folder))
    assert ("csv", "empty-split", "") in told(look(spoilt))


def test_pictures_that_no_list_names_are_told(tmp_path: Path) -> None:
    """With a split.csv, a picture in neither file may have heads or none: nobody has said."""
    folder = write_csv(tmp_path / "set", splits=["0.png,train"])
    photo(folder / "images" / "new.png")

    assert [("new.png", "unannotated", "")] == told(look(folder))


def test_the_command_names_file_and_line_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 with a problem, 0 without; the kind, every problem and their number are told."""
    folder = write_csv(tmp_path / "set", ["0.png,head,5,5,120,20,96,64", "0.png,hat,1,2,9,9,96,64"])

    assert 1 == main(["data", "check", str(folder)])
    said = capsys.readouterr().out.splitlines()
    assert f"{folder}: csv (heads.csv)" == said[0]
    assert said[1].startswith(f"{folder}/heads.csv:6: ")
    assert said[2].startswith(f"{folder}/heads.csv:7: ")
    assert "2 problems: 1 leaves, 1 class" == said[3]
    assert 1 == main(["data", "check", str(folder), "--fix", "clip"])
    assert " -> clipped to the picture" in capsys.readouterr().out
    (folder / "heads.csv").write_text("\n".join((folder / "heads.csv").read_text().split("\n")[:5]))
    assert 0 == main(["data", "check", str(folder)])
    assert "4 pictures, 4 heads, 0 ignored regions" in capsys.readouterr().out


def test_a_mended_set_is_written_beside_and_is_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--fix … --out` leaves the set as it is; the new one has no problem."""
    folder = write_yolo(tmp_path / "set", {"a": "0 0.9 0.5 0.4 0.2\n0 0.5 0.5 0 0.1\n", "b": ""})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    out = tmp_path / "new"

    assert 2 == main(["data", "check", str(folder), "--out", str(out)])
    assert 0 == main(["data", "check", str(folder), "--fix", "clip", "--out", str(out)])
    assert 0 == main(["data", "check", str(out)])
    assert "2 pictures, 1 heads" in capsys.readouterr().out.splitlines()[-1]
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
