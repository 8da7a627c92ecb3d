"""Memory does not grow with time: neither of a replay of boxes nor of the service.

Crossings are told one by one and may take memory: that grows with the people who came. They do
so here, too, and are part of what is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.contract.detections import Detections
from edge.detections_file import DetectionsWriter
from edge.types import Frame, Sighting
from tests.brokers import Listener, Mosquitto
from tests.memory import peak_mb
from tests.processes import ROOT
from tests.test_detections_file import NO_PICTURE

FPS = 25.0
EVERY, TAKES = 200, 40  # frames: how often somebody comes, and how long each is in view
LINE = ("--line", "0,0.5,1,0.5", "--in-side", "0.5,0.9")
WARM_UP, SHORT = 10_000, 60_000  # frames
FLOAT = 24 + 8  # bytes that one more number a frame takes in a list

# A replay with a leak: it keeps the time of each frame.
LEAK = """
from pathlib import Path
from edge.assembly import build_corridor
from edge.config import CountingConfig
from edge.detections_file import read_detections
from edge.quality import QualityMeter
from edge.replay import replay
from edge.types import Line
recorded, kept = read_detections(Path(sys.argv[1])), []
lines = (Line("L1", (0, 0.5), (1, 0.5), (0.5, 0.9)),)
corridor = build_corridor(lines, CountingConfig(), 0.4, recorded.size)
watch = lambda step: kept.append(step.sighting.frame.t)
meter = QualityMeter(recorded.size[0] / recorded.size[1], None, 0.0)
counted = replay(recorded.sightings(), corridor, lines, recorded.fps, meter=meter, watch=watch)
code = 0
"""


def passing(frames: int) -> Iterator[Sighting]:
    """Somebody walks down the picture, the next one up, and so on."""
    for index in range(frames):
        person, step = divmod(index, EVERY)
        way = step / (TAKES - 1)
        y = 0.1 + 0.7 * (way if person % 2 else 1 - way)
        boxes = [(0.4, y, 0.48, y + 0.1)] if step < TAKES else []
        seen = Detections.of(boxes, [0.9] * len(boxes))
        yield Sighting(Frame(NO_PICTURE, index, index / FPS), seen, 0.0)


def recorded(folder: Path, frames: int) -> Path:
    path = folder / f"{frames}.jsonl"
    with DetectionsWriter(path, size=(640, 480), fps=FPS, score=0.4) as writer:
        for sighting in passing(frames):
            writer.write(sighting)
    return path


@pytest.mark.parametrize(
    ("frames", "limit_mb"),
    [
        pytest.param(SHORT, 1.0, id="60 thousand"),
        pytest.param(1_000_000, 5.0, id="a million", marks=pytest.mark.proof),
    ],
)
def test_a_replay_of_boxes_holds_no_more_after_more_frames(
    tmp_path: Path, frames: int, limit_mb: float
) -> None:
    """`headcount replay --detections` of a long file peaks no higher than of its first part.

    The people, one every 200 frames, are all counted, and their crossings are in the limit.
    """
    short, long = (
        peak_mb("replay", "--detections", recorded(tmp_path, count), *LINE, "--json")
        for count in (WARM_UP, frames)
    )
    counted = json.loads(long[0])
    print(f"{frames} frames: {short[1]:.2f} MB after {WARM_UP}, {long[1]:.2f} MB in the end")

    assert (frames, frames // EVERY) == (counted["frames"], counted["in"] + counted["out"])
    assert long[1] - short[1] < limit_mb


def test_one_number_a_frame_would_be_found(tmp_path: Path) -> None:
    """The measurement above sees a replay that keeps but one number of each frame."""
    short, long = (
        peak_mb(recorded(tmp_path, count), program=LEAK)[1] for count in (WARM_UP, SHORT)
    )

    assert long - short > 0.8 * (SHORT - WARM_UP) * FLOAT / 1e6 > 1.0


@pytest.fixture
def door(tmp_path: Path, scene_video: Path) -> Path:
    """A configuration: the recorded door again and again, without a broker yet."""
    config = tmp_path / "door.toml"
    config.write_text(
        f'[device]\nid = "door"\n[source]\nuri = "{scene_video}"\nloop = true\n'
        f'[[line]]\nname = "L1"\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 0.9]\n'
        f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n'
    )
    return config


@pytest.mark.mosquitto
@pytest.mark.parametrize(
    ("pictures", "warm_up"),
    [
        pytest.param(400, 200, id="400"),
        pytest.param(36_000 + 3_600, 3_600, id="36 thousand", marks=pytest.mark.proof),
    ],
)
def test_the_service_holds_no_more_after_more_pictures(
    tmp_path: Path, door: Path, pictures: int, warm_up: int
) -> None:
    """Decoding, OpenVINO, ledger, MQTT: less than 5 MB more at any time after the warm-up.

    The short run finds who keeps pictures or tensors; a few bytes of each take the long one.
    """
    command = [sys.executable, "-m", "tests.unpaced_door", str(door), str(pictures)]
    with Mosquitto(tmp_path) as broker, Listener(broker.url) as listener:
        door.write_text(door.read_text() + f'[mqtt]\nurl = "{broker.url}"\n')
        with (tmp_path / "held").open("w+") as told:  # to be looked at while it goes on
            subprocess.run(command, cwd=ROOT, stdout=told, check=True)
            told.seek(0)
            rows = [line.split() for line in told]
        held = {int(number): float(mb) for number, mb in rows}
        crossings = listener.seqs()
    warm = [mb for number, mb in held.items() if number <= warm_up]
    later = [mb for number, mb in held.items() if number > warm_up]
    print(f"{pictures} pictures: {warm[-1]:.1f} MB after the first {warm_up},", end=" ")
    print(f"{max(later):.1f} MB at most after them; {len(crossings)} crossings told")

    assert pictures in held
    assert len(crossings) >= pictures // 140
    assert list(range(1, len(crossings) + 1)) == crossings
    assert max(later) - warm[-1] < 5
