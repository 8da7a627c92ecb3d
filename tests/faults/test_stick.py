"""A stick that fails, in every way that is known: no frame is lost, none is seen twice.

The faults are those that people report of these sticks: X_LINK_ERROR in the middle, a boot that
fails or never ends, an answer that never comes, one that is no answer, a stick that grows slow, is
pulled out, comes back as another device, or whose process dies.
"""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import edge.detector.stick
from edge.app import serve
from edge.assembly import DEFAULT_BUNDLE, build_corridor, keep_score
from edge.broker import EmbeddedBroker
from edge.config import (
    Config,
    CountingConfig,
    DetectorConfig,
    DeviceConfig,
    LedgerConfig,
    MqttConfig,
)
from edge.contract.bundle import Bundle, read_bundle
from edge.detector.ncs import StickDetector
from edge.detector.stick_link import Patience, StickLink
from edge.pipeline import Step
from edge.restarts import RestartRule
from edge.scene import SCENE_LINE, Scene
from edge.source import SceneSource
from edge.source.base import Source
from edge.types import Frame
from tests.brokers import Listener
from tests.processes import children, open_files
from tests.sticks import QUICK, FakeStick, Look, frame, looks, tiny, who
from tests.test_ncs import PYTHON

pytestmark = pytest.mark.usefixtures("nothing_is_left")

RETURN_S = 5.0
CPU_S = 10.0


@pytest.fixture
def stick(tmp_path: Path) -> FakeStick:
    return FakeStick(tmp_path)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return tiny(tmp_path)


def again(seen: list[Look]) -> bool:
    """Whether the stick looks at frames after the CPU did."""
    return who(seen)[-2:] == ["cpu", "stick"]


def longest_gap(seen: list[Look]) -> float:
    """Seconds between two looks, at most."""
    return max(after.at - before.at for before, after in itertools.pairwise(seen))


def signalled(number: signal.Signals) -> Callable[[], None]:
    """Sends a signal to every worker."""
    return lambda: [os.kill(pid, number) for pid in children()] and None


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("x_link", "Failed to get output: X_LINK_ERROR"),
        ("hang", "silent for 0.9"),
        ("die", "ended by signal 9"),
        ("garbage", "gave what are no numbers"),
        ("nan", "gave what are no numbers"),
        ("scores", "gave scores beyond 0 to 1"),
        ("sizes", "could not broadcast"),
    ],
)
def test_a_fault_in_the_middle(stick: FakeStick, bundle: Bundle, fault: str, told: str) -> None:
    """The CPU looks at what was on its way, and on, until a new worker is ready."""
    with stick.open(bundle, QUICK) as detector:
        seen = looks(detector, {9: lambda: stick.fault(fault)}, until=again)
    first = next(look for look in seen if look.by == "cpu")

    assert ["stick", "cpu", "stick"] == who(seen)
    assert 7 <= first.index <= 9
    assert first.device.startswith("CPU (f32), the stick failed: ")
    assert told in first.device
    # Two frames are on their way in the CPU when the stick is ready again.
    turn = [look.fallback for look in seen if look.by == "cpu"]
    assert all(turn[:-2])
    assert not any(look.fallback for look in seen if look.by == "stick")
    assert seen[-1].device == "MYRIAD (OpenVINO 2022.3.1)"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
def test_a_process_that_is_killed_or_stopped(
    stick: FakeStick, bundle: Bundle, number: signal.Signals
) -> None:
    """As with a fault of the stick."""
    with stick.open(bundle, QUICK) as detector:
        seen = looks(detector, {9: signalled(number)}, until=again)

    assert ["stick", "cpu", "stick"] == who(seen)


def test_a_boot_that_fails_once(stick: FakeStick, bundle: Bundle) -> None:
    """At the start it is tried again while the frames wait: the CPU does not even load."""
    stick.fault("boot fail")
    with stick.open(bundle) as detector:
        seen = looks(detector, {}, until=lambda seen: len(seen) == 5)

    assert ["stick"] == who(seen)


def test_a_boot_that_never_ends(stick: FakeStick, bundle: Bundle) -> None:
    """The CPU begins when the time of the start is over; the next boot takes over from it."""
    stick.fault("boot hang")
    begun = time.monotonic()
    with stick.open(bundle, replace(QUICK, start=0.5, ready=1.0)) as detector:
        seen = looks(detector, {}, until=again)

    assert ["cpu", "stick"] == who(seen)
    assert 0.5 <= seen[0].at - begun < 0.5 + CPU_S
    assert seen[0].device == "CPU (f32), the stick is starting"
    assert any("still loading after its time" in look.device for look in seen)


def test_a_stick_that_grows_slow(stick: FakeStick, bundle: Bundle) -> None:
    """Slower is slower; too slow is a fault, and a new worker begins fresh."""
    stick.behave(drift_ms=25.0)
    with stick.open(bundle, replace(QUICK, answer=0.3)) as detector:
        seen = looks(detector, {}, until=again)

    assert ["stick", "cpu", "stick"] == who(seen)
    assert 5 < next(look.index for look in seen if look.by == "cpu") < 15
    assert "silent for" in next(look.device for look in seen if look.by == "cpu")


def test_a_stick_with_another_model(stick: FakeStick, bundle: Bundle) -> None:
    """Outputs of other shapes are refused before the first picture; some tries, then a rest."""
    stick.behave(outputs=[["loc", [1, 5, 4]], ["conf", [1, 5, 2]]])
    with stick.open(bundle, QUICK) as detector:
        seen = looks(detector, {}, until=lambda seen: len(seen) == 5)

    assert ["cpu"] == who(seen)
    assert "the manifest promises" in seen[0].device


def test_too_many_faults_are_followed_by_a_rest(
    stick: FakeStick, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """Then the stick is left alone for a while; after it, it is tried again."""
    stick.behave(always="x_link")
    rule = RestartRule(limit=3, window_s=60.0, first_s=0.02, most_s=0.1, rest_s=2.0)
    failed: list[float] = []

    def enough(seen: list[Look]) -> bool:
        if "the next try is in 2 s" in caplog.text and not failed:
            failed.append(time.monotonic())
            stick.behave(always="")
        return seen[-1].by == "stick"

    with stick.open(bundle, replace(QUICK, rule=rule)) as detector:
        seen = looks(detector, {}, until=enough)

    assert ["cpu", "stick"] == who(seen)
    assert 4 == stick.boots
    assert seen[-1].at - failed[0] > 1.5
    assert longest_gap(seen) < RETURN_S


def test_a_stick_that_is_plugged_in_again_need_not_rest(stick: FakeStick, bundle: Bundle) -> None:
    """Whoever pulls it out and plugs it in has mended something: it is tried at once."""
    stick.behave(always="boot fail")

    def mend() -> None:
        stick.behave(always="")
        stick.plug()

    with stick.open(bundle, replace(QUICK, start=1.0)) as detector:
        seen = looks(detector, {5: stick.unplug, 150: mend}, until=again)

    assert ["cpu", "stick"] == who(seen)
    assert {"CPU (f32), no stick is plugged in"} <= {look.device for look in seen}


def test_pulled_out_and_back_with_the_defaults(stick: FakeStick, bundle: Bundle) -> None:
    """At once the CPU, within 5 s of its return the stick; as the device that it was booted as."""
    returned: list[float] = []

    def back() -> None:
        returned.append(time.monotonic())
        stick.plug("f63b")

    with stick.open(bundle, Patience()) as detector:
        seen = looks(
            detector, {9: stick.unplug, 60: back}, until=again, pace=0.05
        )  # away for 2.5 s

    assert ["stick", "cpu", "stick"] == who(seen)
    assert "CPU (f32), no stick is plugged in" == seen[50].device
    assert longest_gap(seen) < CPU_S
    assert (
        next(s.at for s in seen if s.by == "stick" and s.at > returned[0]) < returned[0] + RETURN_S
    )


def test_one_that_does_not_come_back_with_the_defaults(stick: FakeStick, bundle: Bundle) -> None:
    """A stick that boots for ever: within 10 s the CPU counts."""
    stick.behave(always="boot hang")
    begun = time.monotonic()
    with stick.open(bundle, Patience()) as detector:
        seen = looks(detector, {}, until=lambda seen: len(seen) == 5)

    assert ["cpu"] == who(seen)
    assert 8 <= seen[0].at - begun < CPU_S


def test_one_that_hangs_with_the_defaults(stick: FakeStick, bundle: Bundle) -> None:
    """A stick that gives no answer: within 10 s the CPU counts, and then the next worker."""
    with stick.open(bundle, Patience()) as detector:
        seen = looks(detector, {9: lambda: stick.fault("hang")}, until=again)

    assert ["stick", "cpu", "stick"] == who(seen)
    assert 1.5 < longest_gap(seen) < CPU_S


def test_no_person_is_counted_twice_or_missed() -> None:
    """A real detector in a worker that is killed five times counts what is true of the scene."""
    scene = Scene(106, duration=14, fps=10, size=(480, 360))
    shipped = read_bundle(DEFAULT_BUNDLE)
    score = shipped.manifest.score
    kill = {index: signalled(signal.SIGKILL) for index in (30, 31, 60, 75, 110)}

    def frames() -> Iterator[Frame]:
        for each in SceneSource(scene):
            kill.get(each.index, lambda: None)()
            yield each

    corridor = build_corridor((SCENE_LINE,), CountingConfig(), score, scene.size)
    link = StickLink(PYTHON, shipped, "CPU", patience=replace(QUICK, answer=10.0))
    indices, crossings, fallbacks = [], [], Counter[bool]()
    one_thread = DetectorConfig(threads=1)
    with StickDetector(link, shipped, one_thread, keep_score(score), 60.0) as detector:
        for sighting in detector.detect(frames()):
            indices.append(sighting.frame.index)
            fallbacks[detector.fallback] += 1
            crossings += corridor.step(sighting).crossings
    crossings += corridor.finish()

    assert list(range(140)) == indices
    assert min(fallbacks[True], fallbacks[False]) > 5
    assert Counter(c.direction.value for c in crossings) == Counter(
        c.direction for c in scene.crossings
    )


class Door(Source):
    """Frames without end, as `tests.sticks` draws them."""

    name, fps, size = "door", 50.0, (32, 32)

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            yield frame(index)
            index += 1
            time.sleep(0.02)


def test_the_world_is_told_at_once(
    stick: FakeStick, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """State and health say who looks, long before health would be due; and when it is well."""
    monkeypatch.setattr(edge.detector.stick, "ROOT", stick.root)
    stop, failed = threading.Event(), []
    story: list[tuple[object, object]] = []

    def told() -> tuple[object, object]:
        state, health = listener.state(), listener.health()
        return state and state.quality.get("detector"), health and health.device

    def watch(step: Step) -> None:
        if told() != story[-1:][0] if story else told()[1]:
            story.append(told())
        if step.sighting.frame.index == 50:
            failed.append(time.monotonic())
            stick.fault("x_link")
        if len(failed) == 1 and story and story[-1][0] == "fallback":
            failed.append(time.monotonic())
        if (len(failed) == 2 and story[-1][0] == "ok") or step.sighting.frame.index > 1500:
            stop.set()

    with EmbeddedBroker() as broker, Listener(broker.url) as listener:
        config = Config(
            device=DeviceConfig(id="door"),
            lines=(SCENE_LINE,),
            detector=DetectorConfig(
                model=bundle.folder, ncs_python=stick.python, allow_unsigned=True, threads=1
            ),
            mqtt=MqttConfig(url=broker.url, protocol="3.1.1"),
            ledger=LedgerConfig(path=tmp_path / "ledger.db"),
        )
        serve(config, Door(), stop, watch=watch)

    runs = ("ok", "MYRIAD (OpenVINO 2022.3.1)")
    stands_in = ("fallback", "CPU (f32), the stick failed: Failed to get output: X_LINK_ERROR")
    assert story.index(runs) < story.index(stands_in)
    assert story[-1] == runs
    assert failed[1] - failed[0] < 3.0  # health is due every 5 s


ONCE = ("x_link", "hang", "die", "garbage", "nan", "scores", "sizes", "boot fail", "boot hang")
HASTY = replace(
    QUICK, hello=2.0, answer=0.25, ready=1.0, gone=0.05, start=1.0,
    rule=RestartRule(limit=1000, window_s=60.0, first_s=0.01, most_s=0.05),
)  # fmt: skip

EVENT = st.sampled_from([*ONCE, "kill", "stop", "unplug", "plug", "f63b", "slow", "fast"])
SEQUENCE = st.lists(st.tuples(st.integers(1, 25), EVENT), max_size=5)
RANDOM = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each takes a second: none is shrunk
)


def happens(stick: FakeStick, event: str) -> Callable[[], object]:
    """What an event does."""
    others: dict[str, Callable[[], object]] = {
        "kill": signalled(signal.SIGKILL),
        "stop": signalled(signal.SIGSTOP),
        "unplug": stick.unplug,
        "plug": stick.plug,
        "f63b": lambda: stick.plug("f63b"),
        "slow": lambda: stick.behave(ms=60.0),
        "fast": lambda: stick.behave(ms=1.0),
    }
    return others.get(event, lambda: stick.fault(event))


def survives(sequence: list[tuple[int, str]]) -> None:
    """Every frame once and in order, by somebody; mended, the stick is back; nothing is left."""
    processes, files = children(), open_files()
    mended: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        stick, bundle = FakeStick(Path(name)), tiny(Path(name))
        events, at = {}, 0
        for gap, event in sequence:
            at += gap
            events[at] = happens(stick, event)

        def mend() -> None:
            mended.append(time.monotonic())
            stick.mend()

        def well(look: Look) -> bool:
            return look.index > at + 12 and look.by == "stick"

        events[at + 10] = mend
        with stick.open(bundle, HASTY) as detector:
            seen = looks(detector, events, until=lambda seen: bool(mended) and well(seen[-1]))

    assert seen[-1].at - mended[0] < RETURN_S
    assert longest_gap(seen) < RETURN_S
    assert (processes, files) == (children(), open_files())


@given(SEQUENCE)
@settings(RANDOM, max_examples=20)
def test_any_sequence_of_faults(sequence: list[tuple[int, str]]) -> None:
    """Twenty random ones; see `survives`."""
    survives(sequence)


@pytest.mark.proof
@given(SEQUENCE)
@settings(RANDOM, max_examples=1000)
def test_a_thousand_sequences_of_faults(sequence: list[tuple[int, str]]) -> None:
    """The same a thousand times."""
    survives(sequence)
