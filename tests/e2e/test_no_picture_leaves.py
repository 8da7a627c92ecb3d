"""No picture leaves: all that a door sends, byte by byte, is counts for the broker.

The door runs in a network namespace of its own, whose only cable is listened in to. The broker is a
real mosquitto at the other end; what is meant for the rest of the world would go there, too.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge import __version__
from edge.contract.messages import EventMessage, HealthSnapshot, StateMessage, Topics, read_event
from edge.errors import DataError
from edge.publisher.discovery import announcement, topic
from tests.brokers import Mosquitto, wait_until
from tests.doors import Door
from tests.networks import DOOR, FAR, NameServer, Networks, Traffic, Wiretap, two_networks

PORT = 1883
TO_BROKER = f"TCP {FAR}:{PORT}"
# What the kernel says of itself on any cable.
OF_THE_CABLE = {"ARP", "IPv6 discovery"}
LARGEST = 4096  # bytes of one MQTT packet but the announcement for Home Assistant
PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"ftyp")  # JPEG, PNG, WebP and AVI, MP4
CONNECT, PUBLISH, SUBSCRIBE = 1, 3, 8
KINDS = {CONNECT, PUBLISH, SUBSCRIBE, 4, 12, 14}  # ..., PUBACK, PINGREQ, DISCONNECT


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    """The door's network and the far end's."""
    with two_networks() as made:
        yield made


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A door; its processes end with the test."""
    made = Door(tmp_path, tmp_path)
    yield made
    made.close()


@contextlib.contextmanager
def broker(networks: Networks, folder: Path) -> Iterator[None]:
    """A mosquitto at the far end."""
    if Mosquitto.program is None:
        pytest.skip("no mosquitto on PATH or in /usr/sbin")
    config, log = folder / "mosquitto.conf", folder / "mosquitto.log"
    config.write_text(f"listener {PORT} {FAR}\nallow_anonymous true\n")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*networks.inside(networks.far), Mosquitto.program, "-c", config], stderr=file
        )
    try:
        wait_until(lambda: "running" in log.read_text(), "mosquitto listens")
        yield
    finally:
        process.kill()
        process.wait()


def at_home(folder: Path) -> dict[str, str]:
    """An environment in which a library that reports home would do so: a first use, and no test."""
    return {"HOME": str(folder), "CI": "", "TF_BUILD": "", "JENKINS_URL": ""}


def mqtt(host: str) -> str:
    """A section that allows the plain text that is listened in to."""
    return f'[mqtt]\nurl = "mqtt://{host}:{PORT}"\nplain_text = true\n'


def run(networks: Networks, door: Door, host: str, seconds: int) -> tuple[int, str]:
    """Count a simulated door for so long, with all else as it is by default."""
    door.configure(
        f'uri = "scene:106:{seconds}"', f'[mqtt]\nurl = "mqtt://{host}:{PORT}"\nplain_text = true\n'
    )
    running = door.start(within=networks.inside(networks.door), environment=at_home(door.folder))
    return running.ends(), running.log


@dataclass(frozen=True)
class Packet:
    """One MQTT packet; a topic and payload where it publishes."""

    kind: int
    size: int
    topic: str = ""
    payload: bytes = b""


def packets(stream: bytes) -> list[Packet]:
    """The MQTT 5 packets of a connection; what is none is an error."""
    found = []
    while stream:
        length, begin = _number(stream, 1)
        body, size = stream[begin : begin + length], begin + length
        assert len(body) == length, "a packet is cut"
        kind = stream[0] >> 4
        if kind == CONNECT:
            assert body[:7] == b"\x00\x04MQTT\x05"
        if kind == PUBLISH:
            end = 2 + int.from_bytes(body[:2])
            more, start = _number(body, end + (2 if stream[0] & 6 else 0))
            found.append(Packet(kind, size, body[2:end].decode(), body[start + more :]))
        else:
            found.append(Packet(kind, size))
        stream = stream[size:]
    return found


def _number(content: bytes, offset: int) -> tuple[int, int]:
    """A number of MQTT's variable length, and where it ends."""
    value = shift = 0
    while True:
        value |= (content[offset] & 127) << shift
        offset, shift = offset + 1, shift + 7
        if content[offset - 1] < 128:
            return value, offset


def strange(traffic: Traffic, topics: Topics, allowed: frozenset[str] = frozenset()) -> list[str]:
    """All that a door should not have sent."""
    found = sorted(traffic.kinds - {TO_BROKER} - OF_THE_CABLE - allowed)
    if found:
        found += sorted(traffic.asked)
    for stream in traffic.streams.values():
        found += [f"a picture ({magic!r})" for magic in PICTURES if magic in stream]
        for packet in packets(stream):
            if packet.size > LARGEST and packet.topic != topic(topics.device):
                found.append(f"{packet.size} bytes at once")
            if packet.kind not in KINDS:
                found.append(f"packet of kind {packet.kind}")
            if packet.kind == PUBLISH and not _is_documented(packet, topics):
                found.append(f"{packet.topic}: {packet.payload[:40]!r}")
    return found


def _is_documented(packet: Packet, topics: Topics) -> bool:
    """Whether a message is one of the five, and its payload what belongs there and no more."""
    if packet.topic == topics.availability:
        return packet.payload in (b"online", b"offline")
    if packet.topic == topic(topics.device):
        return packet.payload.decode() == announcement(topics, "", __version__)
    forms: dict[str, Callable[[bytes], StateMessage | EventMessage | HealthSnapshot]] = {
        topics.state: StateMessage.from_json,
        topics.event: read_event,
        topics.health: HealthSnapshot.from_json,
    }
    try:
        return forms[packet.topic](packet.payload).to_json().encode() == packet.payload
    except (KeyError, DataError):
        return False


def test_a_run_sends_counts_and_nothing_else(
    networks: Networks, door: Door, tmp_path: Path
) -> None:
    """From start to end, with people who cross: TCP to the broker alone, in documented messages."""
    with broker(networks, tmp_path), Wiretap(networks) as wiretap:
        code, log = run(networks, door, FAR, 8)
    traffic = wiretap.traffic()
    sent = [packet for stream in traffic.streams.values() for packet in packets(stream)]
    told = [packet.topic for packet in sent if packet.kind == PUBLISH]
    topics = Topics("door")

    assert 0 == code, log
    assert [] == strange(traffic, topics)
    documented = {topics.availability, topics.state, topics.event, topics.health, topic("door")}
    assert documented == set(told)
    assert log.count(" over L1: ") == told.count(topics.event) >= 1
    assert sum(packet.size for packet in sent) < 64_000


def test_a_look_by_the_doctor_sends_nothing_else(
    networks: Networks, door: Door, tmp_path: Path
) -> None:
    """It connects to the broker and says nothing there."""
    door.configure('uri = "scene:106"', mqtt(FAR))
    command = [sys.executable, "-m", "edge.cli", "doctor", "-c", door.config]
    with broker(networks, tmp_path), Wiretap(networks) as wiretap:
        done = subprocess.run(
            [*networks.inside(networks.door), *command],
            env={**os.environ, **at_home(tmp_path)},
            capture_output=True,
            check=False,
        )
    traffic = wiretap.traffic()
    (stream,) = traffic.streams.values()

    assert 0 == done.returncode, done.stdout
    assert [] == strange(traffic, Topics("door"))
    assert [CONNECT, 14] == [packet.kind for packet in packets(stream)]


def test_without_a_broker_it_only_knocks(networks: Networks, door: Door) -> None:
    """Nobody listens: the door tries that port of that address again and again, and no other."""
    with Wiretap(networks) as wiretap:
        code, log = run(networks, door, FAR, 3)
    traffic = wiretap.traffic()

    assert 0 == code, log
    assert "cannot be reached" in log
    assert TO_BROKER in traffic.kinds
    assert [] == strange(traffic, Topics("door"))
    assert len(traffic.streams) >= 2
    assert not any(traffic.streams.values())


def test_a_broker_by_name_costs_a_question_for_that_name(
    networks: Networks, door: Door, tmp_path: Path
) -> None:
    """Besides the counts the name server is asked, for the broker's name and no other."""
    with (
        broker(networks, tmp_path),
        NameServer(networks),
        Wiretap(networks) as wiretap,
    ):
        code, log = run(networks, door, "broker.example", 3)
    traffic = wiretap.traffic()

    assert 0 == code, log
    assert "connected with MQTT 5" in log
    assert [] == strange(traffic, Topics("door"), frozenset({f"UDP {FAR}:53"}))
    assert {"broker.example"} == traffic.asked


SENDS = f"""
import socket, paho.mqtt.client as paho
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", ("198.51.100.7", 9999))
client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
client.connect("{FAR}", {PORT})
client.loop_start()
for topic, payload in (("snapshot", bytes([255, 216, 255]) + bytes(5000)), ("event", b"here")):
    client.publish("headcount/door/" + topic, payload, 1).wait_for_publish()
client.disconnect()
client.loop_stop()
"""


def test_whatever_else_were_sent_would_be_seen(networks: Networks, tmp_path: Path) -> None:
    """A control: a datagram to the world, a picture, and a word that is no message, are found."""
    with broker(networks, tmp_path), Wiretap(networks) as wiretap:
        subprocess.run([*networks.inside(networks.door), sys.executable, "-c", SENDS], check=True)
    found = strange(wiretap.traffic(), Topics("door"))

    assert DOOR != FAR
    assert "UDP 198.51.100.7:9999" in found
    assert "a picture (b'\\xff\\xd8\\xff')" in found
    assert any(each.endswith("bytes at once") for each in found)
    assert any(each.startswith("headcount/door/snapshot") for each in found)
    assert any(each.startswith("headcount/door/event") for each in found)


def test_what_openvino_alone_would_tell_its_makers_is_seen(
    networks: Networks, tmp_path: Path
) -> None:
    """A control: the library reports to a web service; loaded by this program it does not."""
    if not any(each.name == "openvino-telemetry" for each in importlib.metadata.distributions()):
        pytest.skip("this OpenVINO comes without openvino-telemetry")
    asked = []
    for code in ("import openvino", "import edge, openvino"):
        with NameServer(networks), Wiretap(networks) as wiretap:
            subprocess.run(
                [*networks.inside(networks.door), sys.executable, "-c", code],
                env={**os.environ, **at_home(tmp_path)},
                check=True,
            )
        asked.append(wiretap.traffic().asked)

    assert [{"www.google-analytics.com"}, set()] == asked
