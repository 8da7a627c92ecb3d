"""Faults of the machine: what is wrong is said with its mend, and what was counted stays.

`headcount run` is a process of its own on a real disk, with a real clock that is bent, a real
network camera's protocol, a real broker. The disk is a file system made for the test.
"""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.assembly import DEFAULT_BUNDLE
from edge.contract.messages import CrossingMessage
from edge.ledger import Ledger, OutboxRow
from tests.brokers import Listener, Mosquitto, free_port, wait_until
from tests.cameras import rtsp_camera
from tests.disks import Card, card, fill, small_disk, unmount
from tests.doors import Door
from tests.picameras import PiCamera

__all__ = ["card", "small_disk"]

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
BENDER = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A door; its processes end with the test."""
    made = Door(tmp_path, tmp_path)
    yield made
    made.close()


def busy(video: Path) -> str:
    """A source that gives a crossing about every second, for ever."""
    return f'uri = "{video}"\nloop = true\nfps = 25'


def truth(ledger: Path) -> tuple[int, int]:
    """In and out as the ledger has them, once rows, line and outbox are found to agree."""
    with Ledger.open(ledger) as opened:
        state, rows = opened.state(NOON), opened.pending(1_000_000)
    crossings = [row for row in rows if isinstance(row, OutboxRow)]
    into = sum(row.direction == "in" for row in crossings)
    out = len(crossings) - into

    assert list(range(1, state.seq + 1)) == [row.seq for row in rows]
    assert (into, out) == (state.in_total, state.out_total)
    assert (into, out) == (state.lines["L1"].in_total, state.lines["L1"].out_total)
    return into, out


def test_counting_goes_on_when_the_disk_is_full(
    small_disk: Path, tmp_path: Path, scene_video: Path
) -> None:
    """The log and the state say so, kill -9 loses nothing, and the room is kept again later."""
    door = Door(small_disk, tmp_path)
    with Mosquitto(tmp_path) as broker, Listener(broker.url) as world:
        door.configure(busy(scene_video), f'[mqtt]\nurl = "{broker.url}"\nstores = ["far"]\n')
        try:
            running = door.start()
            running.counts()
            filler = fill(small_disk)
            running.says("the disk is full; counting goes on in 8 MB")
            wait_until(lambda: world.state().quality["disk"] == "full", "the state says so")
            running.counts(2)
            running.stop(9)
            again = door.start()
            again.counts(2)
            filler.unlink()
            again.says("there is room on the disk again")
            wait_until(lambda: world.state().quality["disk"] == "ok", "the state says so")
            assert 0 == again.stop()
        finally:
            door.close()
        into, out = again.counted[-1]

        assert sum(again.counted[0]) - sum(running.counted[-1]) in (1, 2)
        assert (into, out) == truth(door.ledger)
        assert (into, out) == (world.state().in_total, world.state().out_total)


def test_a_disk_that_was_full_at_the_start_is_told(
    small_disk: Path, tmp_path: Path, scene_video: Path
) -> None:
    """Without room for a ledger nothing can be counted: exit 1, and what to free."""
    door = Door(small_disk, tmp_path)
    door.configure(busy(scene_video))
    fill(small_disk)
    running = door.start()

    assert 1 == running.ends()
    assert "free some space on the disk" in running.complaint()


def test_a_card_that_turns_read_only(card: Card, tmp_path: Path, scene_video: Path) -> None:
    """Exit 1 with the mend, as often as it is tried; on a sound card the totals go on."""
    card.insert()
    door = Door(card.folder, tmp_path)
    door.configure(busy(scene_video))
    try:
        running = door.start()
        running.counts(2)
        card.fail()
        assert 1 == running.ends()
        refused = door.start()
        assert 1 == refused.ends()
        unmount(card.folder)
        card.insert()
        again = door.start()
        again.counts()
        assert 0 == again.stop()
    finally:
        door.close()

    assert "read-only" in running.complaint()
    assert "reboot" in running.complaint()
    assert "read-only" in refused.complaint()
    assert sum(again.counted[0]) == sum(running.counted[-1]) + 1
    assert again.counted[-1] == truth(door.ledger)


def test_a_read_only_folder_at_the_start(card: Card, tmp_path: Path, scene_video: Path) -> None:
    """A ledger that was never there cannot be made: exit 1, and the line says why."""
    card.insert()
    door = Door(card.folder, tmp_path)
    door.configure(busy(scene_video))
    unmount(card.folder)
    card.insert("ro")
    running = door.start()

    assert 1 == running.ends()
    assert "read-only" in running.complaint()


@dataclass(frozen=True)
class BentClock:
    """A wall clock of one process that the test sets; the monotonic one goes on as it is."""

    stamp: Path

    def set(self, seconds: float) -> None:
        """Have it say what the true one says and so many seconds more."""
        beside = self.stamp.with_suffix(".new")
        beside.write_text(f"{seconds:+.0f}\n")
        beside.replace(self.stamp)

    @property
    def environment(self) -> dict[str, str]:
        """Of the process."""
        return {
            "LD_PRELOAD": str(BENDER),
            "FAKETIME_TIMESTAMP_FILE": str(self.stamp),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.mark.skipif(BENDER is None, reason="no libfaketime (Debian: faketime)")
def test_a_clock_that_is_set_while_it_counts(door: Door, scene_video: Path) -> None:
    """1970, then today, then yesterday: nothing is lost, doubled, or out of order; all is told."""
    clock = BentClock(door.folder / "clock")
    clock.set(40 - time.time())
    with Mosquitto(door.folder) as broker, Listener(broker.url) as world:
        door.configure(busy(scene_video), f'[mqtt]\nurl = "{broker.url}"\n')
        running = door.start(environment=clock.environment)
        running.says("was never set")
        running.counts(2)
        wait_until(lambda: world.state().quality["clock"] == "unset", "the state says so")
        clock.set(0)
        running.says("the clock is set, to 20")
        before = len(running.counted)
        running.counts(2)
        wait_until(lambda: world.state().quality["clock"] == "ok", "the state says so")
        today = world.state().in_today + world.state().out_today
        clock.set(-86400)
        running.says("the clock jumped from")
        running.counts(2)
        assert 0 == running.stop()
        wait_until(lambda: len(world.crossings()) == len(running.counted), "all came")
        events: list[CrossingMessage] = world.crossings()
        seqs = world.seqs()
    sources = {(event.ts_source, event.ts.year == 1970) for event in events}

    assert today >= before + 1
    assert list(range(1, len(seqs) + 1)) == seqs
    assert running.counted == [(event.in_total, event.out_total) for event in events]
    assert {("unset", True), ("frame", False)} == sources


def test_a_network_camera_that_is_switched_on_later(door: Door) -> None:
    """Refused: exit 1 and what to check; with the camera there the next start sees pictures."""
    with rtsp_camera(door.folder) as camera:
        away = f"rtsp://anna:secret@127.0.0.1:{free_port()}/door"
        door.configure(f'uri = "{away}"')
        refused = door.start()
        assert 1 == refused.ends()
        door.configure(f'uri = "{camera.uri}"')
        door.start().says("detector: ")

    assert "check address, user and password" in refused.complaint()
    assert "secret" not in refused.log


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ({"cameras": []}, "rpicam-hello --list-cameras"),
        ({"fail": {"import": "No module named 'picamera2'"}}, "apt install python3-picamera2"),
    ],
    ids=["none", "no library"],
)
def test_a_camera_of_the_pi_that_is_plugged_in_later(
    door: Door, orders: dict[str, object], words: str
) -> None:
    """Missing: exit 1 and what to do; with the camera there the next start sees pictures."""
    camera = PiCamera.build(door.folder / "camera", **orders)
    door.configure(f'uri = "picamera2:"\ncamera_python = "{camera.python}"')
    refused = door.start()
    assert 1 == refused.ends()
    camera.order()
    door.start().says("detector: ")

    assert words in refused.complaint()


def test_a_broker_that_is_away_for_long(door: Door, scene_video: Path) -> None:
    """Counting goes on and one line says so; then all is delivered, in order, by the same run."""
    broker = Mosquitto(door.folder)
    door.configure(busy(scene_video), f'[mqtt]\nurl = "{broker.url}"\n')
    running = door.start()
    running.counts(6)
    with broker, Listener(broker.url) as world:
        running.says("events wait for it")
        wait_until(lambda: len(world.seqs()) >= 6, "what waited is delivered")
        running.counts()
        assert 0 == running.stop()
        wait_until(lambda: len(world.crossings()) == len(running.counted), "all came")
        late = [event.replayed for event in world.crossings()]

    assert 1 == running.log.count("cannot be reached")
    assert all(late[:6])
    assert not late[-1]


def test_a_password_file_that_is_missing(door: Door, scene_video: Path) -> None:
    """Nobody is told of it, but counting goes on; the line names the file and the key."""
    secret = door.folder / "secret"
    section = f'[mqtt]\nurl = "mqtt://127.0.0.1:1"\npassword_file = "{secret}"\n'
    door.configure(busy(scene_video), section)
    running = door.start()
    running.counts()
    assert 0 == running.stop()

    assert f"{secret}: the broker's password cannot be read" in running.log
    assert "mqtt.password_file" in running.log


def _without(folder: Path) -> None:
    shutil.rmtree(folder)


def _flipped(name: str) -> Callable[[Path], None]:
    def flip(folder: Path) -> None:
        (path,) = folder.glob(name)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return flip


@pytest.mark.parametrize(
    "spoil", [_without, _flipped("*.xml"), _flipped("manifest.json")], ids=["gone", "xml", "list"]
)
def test_a_bundle_that_is_gone_or_damaged_by_a_bit(
    door: Door, spoil: Callable[[Path], None]
) -> None:
    """It is not run: exit 1, and the line names the folder."""
    bundle = door.folder / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    spoil(bundle)
    door.configure('uri = "scene:1"', f'[detector]\nmodel = "{bundle}"\n')
    running = door.start()

    assert 1 == running.ends()
    assert str(bundle) in running.complaint()
