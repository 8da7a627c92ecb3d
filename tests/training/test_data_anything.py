"""Whatever stands in annotation files: problems, or one clear error, and never a crash."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import DataError
from tests.training.sets import write_csv, write_yolo
from training.data.headcsv import COLUMNS
from training.data.kinds import open_set

VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(max_size=3),
    st.lists(st.integers(-2, 9) | st.floats() | st.none(), max_size=5), st.just({}),
)  # fmt: skip
IMAGE = st.fixed_dictionaries({}, optional={"id": VALUE, "file_name": VALUE, "width": VALUE})
BOX = st.fixed_dictionaries({}, optional=dict.fromkeys(
    ("id", "image_id", "category_id", "bbox", "iscrowd"), VALUE
))  # fmt: skip
COCO = st.fixed_dictionaries(
    {"images": st.lists(IMAGE, max_size=3), "annotations": st.lists(BOX, max_size=3)},
    optional={"categories": st.lists(IMAGE, max_size=2) | VALUE},
)
TEXT = st.text(max_size=60)
ANY = {
    "heads.csv": TEXT.map(lambda text: ",".join(COLUMNS) + "\n" + text),
    "split.csv": TEXT.map(lambda text: "image,split\n" + text),
    "labels/a.txt": TEXT | st.from_regex(r"\A(-?\d{1,3}\.?\d? ){1,7}\Z"),
    "data.yaml": TEXT | st.from_regex(r"\A(names|train): ?[\[{]?\w*[:,]"),
    "a.json": COCO.map(json.dumps),
    "Annotations/a.xml": TEXT.map(lambda text: f"<a><object>{text}</object></a>"),
}
OF_KIND = {"heads.csv": "csv", "split.csv": "csv", "a.json": "coco", "Annotations/a.xml": "voc"}


@pytest.mark.parametrize("name", ANY)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_whatever_stands_in_a_file_is_told(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Any text in any of the files; every problem has its place."""
    folder = tmp_path_factory.mktemp("any")
    write_csv(folder)
    write_yolo(folder, {"a": ""})
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.draw(ANY[name]).encode("utf-8", "surrogatepass"))
    try:
        raw = open_set(folder, OF_KIND.get(name, "yolo"))
    except DataError as error:
        assert str(folder) in str(error)
    else:
        assert all(str(folder) in problem.line() for problem in raw.problems)
