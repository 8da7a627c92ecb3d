"""`data split`: frames of one clip or camera never on two sides."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import CallError, DataError
from tests.training.sets import photo, write_csv
from training.cli import main
from training.data.groups import assign, group_of, group_pictures, parse_shares
from training.data.heads import read_heads


@pytest.mark.parametrize(
    ("stem", "clip", "camera"),
    [
        ("door2_2024-05-01_00123", "door2_2024-05-01", "door2"),
        ("bus_00190", "bus", "bus"),
        ("Tür 1-frame0012", "Tür 1", "Tür"),
        ("clip.a.7", "clip.a", "clip_a"),
        ("20240501_120000", "20240501", "20240501"),
        ("0007", "0007", "0007"),
        ("hall", "hall", "hall"),
    ],
)
def test_names_tell_clip_and_camera(stem: str, clip: str, camera: str) -> None:
    """The last number counts frames; a camera's name ends before the first number alone."""
    assert (clip, camera) == (group_of(stem, "clip"), group_of(stem, "camera"))


def test_a_pattern_tells_groups_apart() -> None:
    """Its bracket is the group; a name that it does not fit is told, as is a useless pattern."""
    names = ["a-x.1.png", "b-x.2.png", "c-y.1.png"]

    assert {"x": names[:2], "y": names[2:]} == group_pictures(names, pattern=r"-(\w)\.")
    with pytest.raises(DataError, match=r"hall\.png"):
        group_pictures([*names, "hall.png"], pattern=r"-(\w)\.")
    for useless in ("-x", "("):
        with pytest.raises(CallError, match="--pattern"):
            group_pictures(names, pattern=useless)


@pytest.mark.parametrize("text", ["1", "0.5,0.6", "0.5,x", "1,0", "0.4,0.3,0.2,0.1", "1.5,-0.5"])
def test_shares_that_make_no_sense_are_refused(text: str) -> None:
    """They are two or three, above 0, and add up to 1."""
    with pytest.raises(CallError, match="--shares"):
        parse_shares(text)


SIZES = st.dictionaries(
    st.text(min_size=1, max_size=3), st.integers(1, 60), min_size=3, max_size=30
)
SHARES = st.lists(st.floats(0.01, 1), min_size=2, max_size=3).map(
    lambda parts: [part / sum(parts) for part in parts]
)


@settings(deadline=None)
@given(SIZES, SHARES, st.integers(0, 5))
def test_groups_stay_whole_and_shares_are_met_within_one_of_them(
    sizes: dict[str, int], shares: list[float], seed: int
) -> None:
    """Every group is in one split, no split is empty, and again the same.

    No split has more than its share and the largest group; none less by more than that, where
    every share is worth a group.
    """
    chosen = assign(sizes, shares, seed)
    counts = [
        sum(sizes[name] for name, split in chosen.items() if split == which)
        for which in ("train", "val", "test")[: len(shares)]
    ]
    targets = [share * sum(sizes.values()) for share in shares]
    largest = max(sizes.values())

    assert chosen.keys() == sizes.keys()
    assert chosen == assign(dict(reversed(sizes.items())), shares, seed)
    assert min(counts) > 0
    assert all(count <= target + largest for count, target in zip(counts, targets, strict=True))
    if min(targets) > largest:
        assert all(count >= t - largest for count, t in zip(counts, targets, strict=True))


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[a-c]{1,2}_\d{1,3}\.png", fullmatch=True), unique=True))
def test_every_picture_is_in_just_one_group(names: list[str]) -> None:
    """Whatever their names."""
    groups = group_pictures(names)

    assert sorted(names) == sorted(name for members in groups.values() for name in members)


def test_fewer_groups_than_splits_are_refused() -> None:
    """One clip cannot be learnt from and judged by."""
    with pytest.raises(DataError, match=r"1 groups cannot fill 3 splits \(bus\).*--pattern"):
        assign({"bus": 12}, (0.8, 0.1, 0.1))


def clips(folder: Path) -> Path:
    """A set of four clips of three frames."""
    write_csv(folder)
    for path in (folder / "images").iterdir():
        path.unlink()
    rows = ["image,label,xmin,ymin,xmax,ymax,width,height"]
    for k in range(12):
        name = f"door{k // 3}_{k:05d}.png"
        photo(folder / "images" / name, k)
        rows.append(f"{name},head,1,2,30,40,96,64")
    (folder / "heads.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_the_command_tells_groups_and_writes_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The groups found and where they went; the written splits are read, and sound."""
    folder = clips(tmp_path / "set")
    command = ["data", "split", str(folder), "--by", "clip", "--shares", "0.5,0.25,0.25"]

    assert 0 == main(command)
    said = capsys.readouterr().out.splitlines()
    assert "4 groups by clip: door0 (3), door1 (3), door2 (3), door3 (3)" == said[0]
    assert said[1:] == [
        "train: 6 pictures (50%) of 2 groups",
        "val: 3 pictures (25%) of 1 groups",
        "test: 3 pictures (25%) of 1 groups",
    ]
    doors = {
        split: {sample.path.name[:5] for sample in read_heads(folder, split)}
        for split in ("train", "val", "test")
    }
    assert 4 == len(set.union(*doors.values())) == sum(map(len, doors.values()))
    assert 0 == main(["data", "check", str(folder)])


def test_splits_that_are_there_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody may have made them by hand; --replace makes them anew, the seed tells which."""
    folder = clips(tmp_path / "set")
    (folder / "split.csv").write_text("image,split\ndoor0_00000.png,train\n")

    assert 2 == main(["data", "split", str(folder)])
    assert "give --replace" in capsys.readouterr().err
    made = set()
    for seed in ("1", "2", "3", "4", "1"):
        assert 0 == main(["data", "split", str(folder), "--replace", "--seed", seed])
        made.add((folder / "split.csv").read_text())
    assert 1 < len(made) < 5


def test_other_layouts_are_imported_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The split is written into our own layout alone."""
    photo(tmp_path / "images" / "a_1.png")

    assert 1 == main(["data", "split", str(tmp_path)])
    assert "headcount-train data import" in capsys.readouterr().err
