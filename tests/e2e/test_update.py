"""A new model comes to a door that counts: offered over MQTT, fetched, tried, kept or not."""

from __future__ import annotations

import io
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.contract.bundle import Bundle, read_bundle
from edge.contract.commands import ROLLBACK, UPDATE, Command, CommandResult
from edge.contract.packed import pack
from edge.contract.signature import public_pem, sign_bundle
from tests import graphs
from tests.brokers import Listener, Mosquitto, wait_until
from tests.conftest import headcount
from tests.doors import Door
from tests.shops import open_shop
from tests.updater.houses import OWNER

SHIPPED = "headcount-default 0.1.0"
PATIENT_S = 150  # on a busy machine


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A door that trusts the owner; its processes end with the test."""
    made = Door(tmp_path, tmp_path)
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "owner.pub").write_bytes(public_pem(OWNER.public_key()))
    yield made
    made.close()


def configure(door: Door, url: str) -> None:
    door.configure(
        'uri = "scene:1"',
        f'[mqtt]\nurl = "{url}"\n',
        f'[detector]\ndevice = "CPU"\ntrusted_keys = "{door.folder / "trusted"}"\n',
        "[update]\nself_test_s = 120\nmax_ms = 5000\n",
    )


def packed(folder: Path, make: Callable[[Path, int], Bundle], counter: int) -> bytes:
    made = make(folder, counter)
    sign_bundle(made, OWNER)
    file = io.BytesIO()
    pack(read_bundle(folder), file)
    return file.getvalue()


def counts_with(world: Listener, model: str, phase: str | None) -> bool:
    """Whether the device says that it does, and what became of the latest update."""
    health = world.health()
    said = None if health is None or health.update is None else health.update["phase"]
    return health is not None and (model, phase) == (health.model, said)


def answer(world: Listener, name: str, command_id: str) -> CommandResult | None:
    for payload in world.payloads(f"cmd/{name}/result"):
        result = CommandResult.from_json(payload)
        if result.id == command_id:
            return result
    return None


@contextmanager
def systemd_at(path: Path) -> Iterator[list[str]]:
    """A systemd that listens there; all that it was told."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind(str(path))

        def listen() -> None:
            while said := ears.recv(4096).decode():
                told.extend(said.splitlines())

        thread = threading.Thread(target=listen)
        thread.start()
        yield told
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(path))
        thread.join()


@pytest.mark.timeout(600)
def test_an_offer_comes_into_service_and_a_spoilt_one_goes_back(door: Door, tmp_path: Path) -> None:
    """The model's new name is heard over MQTT; the spoilt one never counts; rollback is obeyed."""
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.url) as world,
        open_shop() as shop,
        systemd_at(tmp_path / "systemd") as told,
    ):
        configure(door, broker.url)
        running = door.start(environment={"NOTIFY_SOCKET": str(tmp_path / "systemd")})
        wait_until(lambda: counts_with(world, SHIPPED, None), "it counts", PATIENT_S)

        def offer(command_id: str, content: bytes) -> None:
            shop.content = content
            command = Command(UPDATE, command_id, offer=shop.offer())
            world.say(f"headcount/door/cmd/{UPDATE}", command.to_json())
            wait_until(lambda: answer(world, UPDATE, command_id), "it is answered")
            done = headcount("model", "pull", "-c", door.config)
            assert 0 == done.code, done.err

        offer("one", packed(tmp_path / "a", graphs.sees_a_head, 1))
        wait_until(lambda: counts_with(world, "door 1", "committed"), "the new one", PATIENT_S)
        offer("two", packed(tmp_path / "b", graphs.raises, 2))
        wait_until(lambda: counts_with(world, "door 1", "back"), "the spoilt one", PATIENT_S)
        offer("three", packed(tmp_path / "c", graphs.sees_a_head, 1))
        wait_until(lambda: counts_with(world, "door 1", "refused"), "an old one", PATIENT_S)
        world.say(f"headcount/door/cmd/{ROLLBACK}", Command(ROLLBACK, "four").to_json())
        wait_until(lambda: counts_with(world, SHIPPED, "committed"), "rollback", PATIENT_S)
        health = world.health()
        assert "STOPPING=1" not in told
        assert 0 == running.stop()
    assert 1 == told.count("STOPPING=1")
    models = [json.loads(payload)["model"] for payload in world.payloads("health")]

    assert health is not None
    assert health.update is not None
    assert "rolled back by its owner" == health.update["reason"]
    assert [SHIPPED, "door 1", SHIPPED] == [
        model for number, model in enumerate(models) if models[number - 1 : number] != [model]
    ]
    assert not list((tmp_path / "models").glob("offer*"))


def test_an_offer_that_was_retained_is_not_obeyed(door: Door, tmp_path: Path) -> None:
    """It would come again at each connection; nor is one that is none."""
    with Mosquitto(tmp_path) as broker, Listener(broker.url) as world, open_shop() as shop:
        configure(door, broker.url)
        command = Command(UPDATE, "kept", offer=shop.offer())
        world.say(f"headcount/door/cmd/{UPDATE}", command.to_json(), retain=True)
        running = door.start()
        wait_until(lambda: answer(world, UPDATE, "kept"), "it is answered", PATIENT_S)
        world.say(f"headcount/door/cmd/{UPDATE}", '{"schema":1,"id":"none","url":"ftp://x"}')
        wait_until(lambda: answer(world, UPDATE, "none"), "it is answered")
        running.stop()
    kept, none = answer(world, UPDATE, "kept"), answer(world, UPDATE, "none")

    assert kept is not None
    assert none is not None
    assert (False, False) == (kept.ok, none.ok)
    assert "was retained" in (kept.error or "")
    assert not list((tmp_path / "models").glob("offer*"))


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_model_with_which_the_service_is_killed_goes_back(door: Door, tmp_path: Path) -> None:
    """It passes its test, then the service ends badly twice: the third start has the old one."""
    with Mosquitto(tmp_path) as broker, Listener(broker.url) as world:
        configure(door, broker.url)
        file = tmp_path / "new.bundle"
        file.write_bytes(packed(tmp_path / "a", graphs.sees_a_head, 1))
        assert 0 == headcount("model", "activate", file, "-c", door.config, timeout=400).code
        for _ in range(2):
            running = door.start()
            wait_until(lambda: counts_with(world, "door 1", "committed"), "it counts", PATIENT_S)
            running.stop(signal.SIGKILL)
            world.heard.clear()
        running = door.start()
        wait_until(lambda: counts_with(world, SHIPPED, "back"), "the old one counts", PATIENT_S)
        running.stop()

    assert "the service ended badly 2 times with it" in running.log
