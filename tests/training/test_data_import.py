"""`data import`: any kind into our own layout, with one manifest; whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import DataError
from tests.disks import fill, small_disk
from tests.training.sets import (
    add_voc,
    corner_marked,
    encoded,
    photo,
    voc_object,
    with_orientation,
    write_coco,
    write_csv,
    write_yolo,
)
from training.cli import main
from training.data.dataset import file_names
from training.data.heads import read_heads

__all__ = ["small_disk"]


def bring(source: Path, out: Path, *more: str) -> int:
    """Run `data import`."""
    return main(["data", "import", str(source), "--out", str(out), *more])


def test_classes_splits_and_names_are_kept(tmp_path: Path) -> None:
    """Roles by option, splits by list, a picture outside of all of them in `none`."""
    source = tmp_path / "Ein Set"
    add_voc(source, "Tür ü 1.jpg", voc_object(name="person"), voc_object((1.5, 2, 9, 9), "bag"))
    add_voc(source, "b.jpg", voc_object(name="car"))
    lists = source / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("Tür ü 1\n", encoding="utf-8")

    out = tmp_path / "out"
    assert 0 == bring(source, out, "--classes", "person,bag=ignore,car=drop", "--licence", "own")
    (sample,) = read_heads(out, "val")
    assert [[10, 12, 20, 30], [1.5, 2, 9, 9]] == sample.boxes.tolist()
    assert [False, True] == sample.ignore.tolist()
    assert [0] == [len(each.boxes) for each in read_heads(out, "none")]


def test_the_manifest_tells_what_the_set_is_made_of(tmp_path: Path) -> None:
    """Kind, licence, classes, counts, each picture's digest, and all that was mended."""
    source = write_csv(tmp_path / "set", ["0.png,ignore,5,5,120,20,96,64"], ["0.png,train"])
    out = tmp_path / "doors"

    assert 0 == bring(source, out, "--fix", "clip", "--licence", "CC BY 4.0, somebody")
    told = json.loads((out / "dataset.json").read_text())
    assert (1, "doors", "csv") == (told["schema"], told["name"], told["kind"])
    assert "CC BY 4.0, somebody" == told["licence"]
    assert {"head": "head", "ignore": "ignore"} == told["classes"]
    assert {"pictures": 4, "heads": 4, "ignored": 1, "splits": {"train": 1}} == told["counts"]
    digest = hashlib.sha256((source / "images" / "0.png").read_bytes()).hexdigest()
    assert digest == told["pictures"]["0.png"]
    (mended,) = told["mended"]
    assert ("heads.csv:6", "leaves") == (mended["where"], mended["kind"])
    assert "clipped to the picture" == mended["mend"]


def test_a_set_with_problems_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless a fix is chosen; nor over one that is there."""
    source = write_csv(tmp_path / "set", ["0.png,head,5,5,120,20,96,64"])
    out = tmp_path / "out"

    assert 1 == bring(source, out)
    assert "nothing was written" in capsys.readouterr().err
    assert not out.exists()
    out.mkdir()
    assert 2 == bring(source, out, "--fix", "drop")
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_what_comes_from_any_kind_is_sound(tmp_path: Path, kind: str) -> None:
    """The imported set passes the check, and again after another import of it."""
    if kind == "coco":
        (tmp_path / "set").mkdir()
        write_coco(tmp_path / "set" / "a.json", [{}, {"image_id": 1}], "a.jpg", "b.jpg")
    else:
        write_yolo(tmp_path / "set", {"train/a": "0 0.5 0.5 0.1 0.1\n", "val/a": ""})

    assert 0 == bring(tmp_path / "set", tmp_path / "one")
    assert 0 == bring(tmp_path / "one", tmp_path / "two")
    assert 0 == main(["data", "check", str(tmp_path / "two")])
    one, two = ((tmp_path / name / "heads.csv").read_text() for name in ("one", "two"))
    assert one == two


def test_turned_photos_stay_right_once_imported(tmp_path: Path) -> None:
    """What was told at the import need not be told again, but of pictures that came later."""
    source = add_voc(tmp_path / "set", "a.jpg", voc_object((4, 2, 12, 8)), size=(48, 32))
    data = with_orientation(encoded(corner_marked()), 3)
    (source / "JPEGImages" / "a.jpg").write_bytes(data)

    assert 0 == bring(source, tmp_path / "out", "--exif", "stored")
    assert 0 == main(["data", "check", str(tmp_path / "out")])
    assert [[36, 24, 44, 30]] == read_heads(tmp_path / "out")[0].boxes.tolist()

    (tmp_path / "out" / "images" / "new.jpg").write_bytes(data)
    with (tmp_path / "out" / "heads.csv").open("a") as table:
        table.write("new.jpg,head,4,2,12,8,48,32\n")
    with pytest.raises(DataError, match=r"heads\.csv:3: the picture is turned"):
        read_heads(tmp_path / "out")


def test_a_picture_that_was_exchanged_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check holds the pictures against the manifest's digests."""
    bring(write_csv(tmp_path / "set"), tmp_path / "out")
    photo(tmp_path / "out" / "images" / "2.png", seed=9)

    assert 1 == main(["data", "check", str(tmp_path / "out")])
    assert "2.png: is another file than dataset.json tells of" in capsys.readouterr().out


def test_names_that_clash_get_their_folders(tmp_path: Path) -> None:
    """Two frames of one name from two folders are both kept; others keep their names."""
    paths = [tmp_path / name for name in ("door1/a.jpg", "door2/A.jpg", "door2/b.jpg")]

    assert ["door1__a.jpg", "door2__A.jpg", "b.jpg"] == file_names(paths)
    with pytest.raises(DataError, match="door1__a"):
        file_names([*paths, tmp_path / "door1__a.jpg"])


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; with room again, the same call succeeds."""
    source = write_csv(tmp_path / "set")
    photo(source / "images" / "large.png", size=(1500, 1200))
    filler = fill(small_disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - (1 << 20))

    assert 1 == bring(source, small_disk / "out")
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert 1 == error.count("\n")
    assert [filler] == list(small_disk.iterdir())
    filler.unlink()
    assert 0 == bring(source, small_disk / "out")


def test_an_interrupted_import_leaves_no_half_set(tmp_path: Path) -> None:
    """Killed while it copies: no folder of that name; the next call starts anew and succeeds."""
    source, out = write_csv(tmp_path / "set"), tmp_path / "out"
    for number in range(60):
        photo(source / "images" / f"more {number}.png", number, (700, 500))
    command = [sys.executable, "-m", "training.cli", "data", "import", source, "--out", out]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    begun = tmp_path / ".out.part" / "images"
    limit = time.monotonic() + 60
    while not (begun.is_dir() and len(list(begun.iterdir())) > 3):
        assert process.poll() is None, "it was done before it could be killed"
        assert time.monotonic() < limit
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    assert not out.exists()
    assert 0 == bring(source, out)
    assert 64 == len(list((out / "images").iterdir()))
    assert ["out", "set"] == sorted(path.name for path in tmp_path.iterdir())
