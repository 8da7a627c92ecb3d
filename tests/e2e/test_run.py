"""`headcount run` as a process of its own, counting a recording into a real broker."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import edge
from edge.broker import EmbeddedBroker
from edge.contract.bundle import read_bundle, write_bundle
from edge.contract.messages import StateMessage
from tests.brokers import Broker, Listener, free_port, make_broker, wait_until
from tests.conftest import headcount


@dataclass(frozen=True)
class Door:
    """A configured door and its processes."""

    config: Path
    start: Callable[[], subprocess.Popen[str]]


def truth_of(video: Path) -> list[str]:
    """The true directions, in order."""
    rows = video.with_name("door_events.csv").read_text().splitlines()[1:]
    return [row.split(",")[4] for row in rows]


@pytest.fixture(params=["mosquitto", "embedded"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A real mosquitto, and the broker that the demo brings along."""
    with make_broker(request.param, tmp_path) as started:
        yield started


@pytest.fixture
def door(tmp_path: Path, scene_video: Path) -> Iterator[Callable[[str], Door]]:
    """Makes a door that counts the recording for a broker; its processes end with the test."""
    processes: list[subprocess.Popen[str]] = []

    def make(url: str, *, loop: bool = False) -> Door:
        config = tmp_path / "door.toml"
        config.write_text(
            f'[device]\nid = "door"\n[source]\nuri = "{scene_video}"\nloop = {str(loop).lower()}\n'
            f"fps = 25\n"  # of a recording with 10: the same pictures, in less time
            f'[[line]]\nname = "L1"\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.5, 0.9]\n'
            f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n[mqtt]\nurl = "{url}"\n'
        )

        def start() -> subprocess.Popen[str]:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "edge.cli", "run", "-c", str(config)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
            return processes[-1]

        return Door(config, start)

    yield make
    for process in processes:
        process.kill()
        process.communicate()


def test_a_recording_is_counted_into_the_broker(
    broker: Broker, door: Callable[[str], Door], scene_video: Path
) -> None:
    """Availability, retained state, health, one event a crossing; then exit 0, and offline."""
    with Listener(broker.url) as listener:
        process = door(broker.url).start()
        said, _ = process.communicate(timeout=60)
        wait_until(lambda: listener.payloads("availability")[-1:] == [b"offline"], "it is offline")
        events, seqs = listener.crossings(), listener.seqs()
        state = StateMessage.from_json(listener.payloads("state")[-1])
        health = listener.payloads("health")
    truth = truth_of(scene_video)

    assert 0 == process.returncode, said
    assert sorted(truth) == sorted(event.direction for event in events)
    assert list(range(1, len(seqs) + 1)) == seqs
    assert (truth.count("in"), truth.count("out")) == (state.in_total, state.out_total)
    assert [b"online", b"offline"] == listener.payloads("availability")
    assert {"frame"} == {event.ts_source for event in events}
    assert health


def test_totals_go_on_after_kill_9(broker: Broker, door: Callable[[str], Door]) -> None:
    """Killed in the middle and started again, it counts on from where it was, in one epoch."""
    made = door(broker.url)
    with Listener(broker.url) as listener:
        first = made.start()
        wait_until(lambda: len(listener.crossings()) >= 2, "two crossings", 40)
        first.send_signal(signal.SIGKILL)
        first.wait()
        before = listener.crossings()[-1]
        second = made.start()
        wait_until(lambda: listener.crossings()[-1].seq > before.seq, "it goes on", 40)
        later = {each.seq: each for each in listener.crossings() if each.seq > before.seq}
        second.send_signal(signal.SIGTERM)
        said, _ = second.communicate(timeout=20)

    assert 0 == second.returncode, said
    assert {before.epoch} == {each.epoch for each in later.values()}
    told = [later[seq].in_total + later[seq].out_total for seq in sorted(later)]
    first_total = before.in_total + before.out_total + 1
    assert list(range(first_total, first_total + len(later))) == told


def test_mosquitto_sub_sees_what_the_readme_promises(
    tmp_path: Path, door: Callable[[str], Door], scene_video: Path
) -> None:
    """`mosquitto_sub -v -t 'headcount/#'` shows availability, state and one line a crossing."""
    program = shutil.which("mosquitto_sub")
    if program is None:
        pytest.skip("no mosquitto_sub on PATH (Debian: mosquitto-clients)")
    with make_broker("mosquitto", tmp_path) as started:
        command = [program, "-v", "-t", "headcount/#", "-p", str(started.port)]
        listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        door(started.url).start().communicate(timeout=60)
        time.sleep(0.3)  # what the broker still passes on
        listener.terminate()
        lines = listener.communicate()[0].splitlines()
    topics = [line.partition(" ")[0] for line in lines]
    crossings = [line for line in lines if '"type":"crossing"' in line]

    assert "headcount/door/availability online" in lines
    assert "headcount/door/state" in topics
    assert len(truth_of(scene_video)) == len(crossings) <= topics.count("headcount/door/event")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(
    tmp_path: Path, door: Callable[..., Door], number: signal.Signals
) -> None:
    """SIGTERM and SIGINT end a service with exit 0."""
    with make_broker("embedded", tmp_path) as started, Listener(started.url) as listener:
        process = door(started.url, loop=True).start()
        wait_until(lambda: listener.payloads("availability"), "it is online", 30)
        process.send_signal(number)
        said, _ = process.communicate(timeout=20)

    assert 0 == process.returncode, said
    assert "Traceback" not in said


def test_counting_goes_on_without_a_broker(
    door: Callable[[str], Door], scene_video: Path, tmp_path: Path
) -> None:
    """A broker that is down at the start is told in one line; a later start delivers it all."""
    port = free_port()
    made = door(f"mqtt://127.0.0.1:{port}")
    said, _ = (process := made.start()).communicate(timeout=60)
    truth = truth_of(scene_video)

    assert 0 == process.returncode, said
    assert 1 == said.count("cannot be reached")
    assert "Traceback" not in said

    config = made.config.read_text().replace(str(scene_video), "scene:106:2")
    made.config.write_text(config)
    with EmbeddedBroker(port) as started, Listener(started.url) as listener:
        made.start().communicate(timeout=60)
        wait_until(lambda: len(listener.crossings()) >= len(truth), "all are delivered")

    assert list(range(1, len(listener.seqs()) + 1)) == listener.seqs()


def test_an_unsigned_bundle_is_refused_by_the_service(
    tmp_path: Path, door: Callable[[str], Door]
) -> None:
    """The service takes no bundle for which nobody vouches; with `allow_unsigned` it does."""
    shipped = read_bundle(Path(edge.__file__).parent / "models" / "default")
    other = tmp_path / "other"
    manifest = shipped.manifest
    files = {name: shipped.path(name) for name in manifest.files}
    write_bundle(other, replace(manifest, name="somebody-else"), files)
    made = door("")
    made.config.write_text(made.config.read_text() + f'[detector]\nmodel = "{other}"\n')
    outcome = headcount("run", "-c", made.config)

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "not signed" in outcome.err


def test_doctor_finds_nothing_vital(tmp_path: Path, door: Callable[[str], Door]) -> None:
    """On a door that can count, `doctor` exits 0 and every vital check is well."""
    made = door("")
    outcome = headcount("doctor", "-c", made.config, "--json")

    assert 0 == outcome.code, outcome.out
    assert {"lines", "model", "detector", "source", "ledger"} <= {
        finding["check"] for finding in outcome.json if finding["vital"] and finding["well"]
    }


def test_doctor_names_what_is_missing(tmp_path: Path, door: Callable[[str], Door]) -> None:
    """Without its video a door cannot count: `doctor` exits 1, names it and how to mend it."""
    made = door("")
    made.config.write_text(made.config.read_text().replace("door.mp4", "gone.mp4"))
    outcome = headcount("doctor", "-c", made.config, "--json")
    (bad,) = [f for f in outcome.json if f["vital"] and not f["well"]]

    assert 1 == outcome.code
    assert "source" == bad["check"]
    assert "gone.mp4" in bad["seen"]
    assert bad["mend"]


def test_a_full_ledger_folder_is_told(tmp_path: Path, door: Callable[[str], Door]) -> None:
    """A ledger that cannot be written: exit 1, and the line names its folder."""
    made = door("")
    blocked = tmp_path / "a file"
    blocked.write_text("")
    text = made.config.read_text().replace(str(tmp_path / "ledger.db"), str(blocked / "ledger.db"))
    made.config.write_text(text)
    outcome = headcount("run", "-c", made.config)

    assert 1 == outcome.code
    assert outcome.is_one_clear_line()
    assert "a file" in outcome.err


def test_replay_of_the_recording_is_exact(scene_video: Path, tmp_path: Path) -> None:
    """`replay` counts what the service counts, and writes events, boxes and an annotated video."""
    line = ("--line", "0,0.5,1,0.5", "--in-side", "0.5,0.9")
    events, boxes, drawn = (tmp_path / n for n in ("events.csv", "boxes.jsonl", "drawn.mp4"))
    outcome = headcount(
        "replay", scene_video, *line, "--json",
        "--events", events, "--save-detections", boxes, "--annotate", drawn,
    )  # fmt: skip
    again = headcount("replay", "--detections", boxes, *line, "--json")
    truth = truth_of(scene_video)

    assert 0 == outcome.code, outcome.err
    assert (truth.count("in"), truth.count("out")) == (outcome.json["in"], outcome.json["out"])
    assert outcome.json["events"] == again.json["events"]
    assert len(truth) == len(events.read_text().splitlines()) - 1
    assert drawn.stat().st_size > 10_000
    assert 140 == outcome.json["frames"]


def test_audit_of_the_recording_is_perfect(scene_video: Path) -> None:
    """`audit` scores the replay against the truth of the scene."""
    outcome = headcount("audit", scene_video, "--truth", scene_video.with_suffix(".json"), "--json")

    assert 0 == outcome.code, outcome.err
    assert (len(truth_of(scene_video)), 0, 0) == tuple(
        outcome.json[key] for key in ("tp", "fn", "fp")
    )
    assert json.loads(outcome.out.splitlines()[-1])["precision"] == 1.0
