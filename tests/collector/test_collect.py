"""`headcount collect` between a real broker, a real database and a door that counts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.access import Access
from edge.cli import main
from edge.collector.opening import open_database
from edge.collector.records import MOST_BYTES
from edge.collector.service import Order, collect
from edge.contract.messages import Ack, LineCount, StateMessage
from edge.ledger import Ledger
from tests.brokers import Listener, Mosquitto, free_port, make_broker, wait_until
from tests.collector.collecting import (
    Collector,
    count,
    counted,
    delivered,
    metrics,
    publisher,
    stored,
)
from tests.collector.events import EPOCH, LATER, NOON, crossing
from tests.conftest import ROOT
from tests.disks import fill, small_disk  # noqa: F401 - a fixture
from tests.postgres import Postgres


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


@contextmanager
def collecting(url: str, address: str, protocol: str = "auto") -> Iterator[int]:
    """A collector in this process that listens to the devices; the port of its metrics."""
    access, stop, port = Access.of_url(url), threading.Event(), free_port()
    access = Access(access.host, access.port, protocol=protocol)
    order = Order(access, address, "db", str(port))
    thread = threading.Thread(target=collect, args=(order, stop))
    thread.start()
    try:
        wait_until(lambda: listens(port), "the collector listens")
        yield port
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def listens(port: int) -> bool:
    """Whether a collector has told the broker what it wants to hear."""
    try:
        return metrics(port)["headcount_collector_broker_up"] == 1
    except OSError:  # it does not even serve yet
        return False


def acks(listener: Listener, device: str = "door") -> list[Ack]:
    topic = f"headcount/ack/db/{device}"
    return [Ack.from_json(payload) for heard, payload, _ in list(listener.heard) if heard == topic]


def heard(address: str) -> list[int]:
    return [row[2] for row in stored(address)]


def test_the_collector_is_killed_in_mid_stream(
    broker: Mosquitto, ledger: Ledger, tmp_path: Path
) -> None:
    """Kill -9 again and again while people pass: each is stored, and stored once."""
    address = f"sqlite:{tmp_path}/store.db"
    with Collector(broker.url, address, tmp_path) as collector, publisher(ledger, broker.url):
        door = threading.Thread(target=count, args=(ledger, 400, 0.005))
        collector.ready()
        door.start()
        for pause in (0.3, 0.1):
            time.sleep(pause)
            collector.kill()
            collector.ready()
        door.join()
        delivered(ledger)

    assert counted(ledger.state(NOON).epoch, 400) == stored(address)


def test_two_collectors_share_the_work(
    broker: Mosquitto, postgres: Postgres, ledger: Ledger, tmp_path: Path
) -> None:
    """Each gets a part; what one cannot see the database tells. One is killed; none is lost."""
    address = postgres.new_database()
    first = Collector(broker.url, address, tmp_path)
    second = Collector(broker.url, address, tmp_path)
    with first, second, publisher(ledger, broker.url):
        first.start()
        second.ready()
        first.started[-1].says("storing as")
        count(ledger, 200)
        delivered(ledger)
        parts = [each.metric("headcount_collector_stored_events_total") for each in (first, second)]
        door = threading.Thread(target=count, args=(ledger, 300, 0.003))
        door.start()
        time.sleep(0.3)
        first.kill()
        door.join()
        delivered(ledger)
    epoch = ledger.state(NOON).epoch

    assert 200 == sum(part or 0 for part in parts)
    assert min(part or 0 for part in parts) > 50
    assert [(epoch, seq) for seq in range(1, 501)] == [row[1:3] for row in stored(address)]


def test_the_database_is_killed(
    broker: Mosquitto, postgres: Postgres, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is away nothing is acknowledged, and that is told in one line; then all goes on."""
    address = postgres.new_database()
    with collecting(broker.url, address) as port, publisher(ledger, broker.url):
        count(ledger, 100)
        delivered(ledger)
        postgres.kill()
        try:
            count(ledger, 100)
            wait_until(
                lambda: metrics(port)["headcount_collector_store_errors_total"] >= 2,
                "it has tried again",
            )
            waiting, away = ledger.backlog(), metrics(port)["headcount_collector_store_up"]
        finally:
            postgres.start()
        delivered(ledger)
        back = metrics(port)["headcount_collector_store_up"]

    assert (100, 0, 1) == (waiting, away, back)
    assert list(range(1, 201)) == heard(address)
    assert 1 == caplog.text.count("keep their events")


def test_the_disk_is_full(
    broker: Mosquitto,
    ledger: Ledger,
    small_disk: Path,  # noqa: F811 - the fixture
) -> None:
    """Nothing is acknowledged that is not on it; once there is room all goes on."""
    address = f"sqlite:{small_disk}/store.db"
    with publisher(ledger, broker.url):
        with collecting(broker.url, address):
            count(ledger, 10)
            delivered(ledger)
            filler = fill(small_disk)
            count(ledger, 400)
            time.sleep(1.5)
            waiting = ledger.backlog()
            filler.unlink()
            delivered(ledger)
        found = heard(address)

    assert waiting > 0
    assert list(range(1, 411)) == found


def test_an_old_broker(ledger: Ledger, tmp_path: Path) -> None:
    """MQTT 3.1.1 knows no shared subscription: one collector takes all."""
    address = f"sqlite:{tmp_path}/store.db"
    embedded = make_broker("embedded", tmp_path)
    embedded.start()
    try:
        with (
            collecting(embedded.url, address, protocol="3.1.1"),
            publisher(ledger, embedded.url, protocol="3.1.1"),
        ):
            count(ledger, 150)
            delivered(ledger)
    finally:
        embedded.stop()

    assert counted(ledger.state(NOON).epoch, 150) == stored(address)


@pytest.mark.parametrize("topic", ["headcount/ack/db/door", "headcount/door/event/more", "other"])
def test_a_broker_that_tells_what_was_not_asked_for(tmp_path: Path, topic: str) -> None:
    """As amqtt does of what is retained and somebody else has asked for: it is passed over."""
    address = f"sqlite:{tmp_path}/store.db"
    embedded = make_broker("embedded", tmp_path)
    embedded.start()
    try:
        with Listener(embedded.url, "#") as world:
            world.say(topic, Ack(EPOCH, 1).to_json(), retain=True)
            wait_until(lambda: world.heard, "it is retained")
            with collecting(embedded.url, address, protocol="3.1.1"):
                world.say("headcount/door/event", crossing(1))
                wait_until(lambda: [1] == heard(address), "it works on")
    finally:
        embedded.stop()


def test_postgresql_behind_an_old_protocol(
    broker: Mosquitto, postgres: Postgres, ledger: Ledger
) -> None:
    """Two that cannot share a subscription both take all; the database has each event once."""
    address = postgres.new_database()
    with (
        collecting(broker.url, address, protocol="3.1.1"),
        collecting(broker.url, address, protocol="3.1.1"),
        publisher(ledger, broker.url),
    ):
        count(ledger, 150)
        delivered(ledger)

    assert counted(ledger.state(NOON).epoch, 150) == stored(address)


def test_a_broker_keeps_what_comes_while_the_only_collector_is_away(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """Also of devices that name no store, whose events are gone once the broker has them."""
    address = f"sqlite:{tmp_path}/store.db"
    with Listener(broker.url) as device:
        with collecting(broker.url, address):
            device.say("headcount/door/event", crossing(1))
            wait_until(lambda: acks(device), "the first is acknowledged")
        device.say("headcount/door/event", crossing(2))
        wait_until(lambda: len(device.payloads("event")) == 2, "the broker has the second")
        with collecting(broker.url, address):
            wait_until(lambda: Ack(EPOCH, 2) in acks(device), "the second is acknowledged")

    assert [1, 2] == heard(address)


def test_a_broker_that_is_killed(broker: Mosquitto, ledger: Ledger, tmp_path: Path) -> None:
    """The collector comes back to it by itself, and nothing is missing."""
    address = f"sqlite:{tmp_path}/store.db"
    with publisher(ledger, broker.url), collecting(broker.url, address):
        count(ledger, 50)
        for _ in range(2):
            broker.stop()
            count(ledger, 50)
            broker.start()
            time.sleep(0.5)
        delivered(ledger)

    assert list(range(1, 151)) == heard(address)


def test_a_broker_at_the_site_with_a_bridge(
    broker: Mosquitto, ledger: Ledger, tmp_path: Path
) -> None:
    """As docs/fleet.md has it: the door knows the broker of its site, the collector another. The
    one at the site is killed, and the bridge with it.
    """
    address, folder = f"sqlite:{tmp_path}/store.db", tmp_path / "site"
    folder.mkdir()
    page = (ROOT / "docs" / "fleet.md").read_text()
    bridge = [line.strip() for line in page.splitlines() if line.startswith("    topic ")]
    centre = [f"address 127.0.0.1:{broker.port}", "cleansession false", "restart_timeout 1"]
    site = Mosquitto(folder, ["allow_anonymous true", "connection centre", *centre, *bridge])
    with site, collecting(broker.url, address), publisher(ledger, site.url):
        count(ledger, 100)
        delivered(ledger)
        site.stop()
        count(ledger, 50)
        site.start()
        delivered(ledger)

    assert len(bridge) == 5
    assert list(range(1, 151)) == heard(address)


GARBAGE = {
    "no JSON": b"\xff\xfe\x00",
    "no object": b"[1, 2]",
    "deep": b"[" * 50_000,
    "large": b'{"schema": 1, "pad": "' + b"x" * MOST_BYTES + b'"}',
    "another schema": crossing(1, schema=2).encode(),
    "no schema": b"{}",
    "seq too large": crossing(10**30).encode(),
    "seq of nothing": crossing(0).encode(),
    "epoch of letters": crossing(1, epoch="x\0").encode(),
    "kept beyond": crossing(1, kept_from=2).encode(),
}


def test_garbage_beside_good_events(
    broker: Mosquitto, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be stored is told in one line a device, however often it comes; the others'
    events, in the same batches, are stored.
    """
    with collecting(broker.url, address) as port, Listener(broker.url) as world:
        for seq in range(1, 11):
            for payload in GARBAGE.values():
                world._client.publish("headcount/bad/event", payload, qos=1)
            world._client.publish("headcount/bad/state", b"nonsense", qos=1)
            world.say("headcount/not a name!/event", crossing(seq))
            world.say("headcount/ack/event", crossing(seq))
            world.say("headcount/good/event", crossing(seq))
        wait_until(lambda: Ack(EPOCH, 10) in acks(world, "good"), "the good are acknowledged")
        refused = {
            topic: metrics(port)[f'headcount_collector_refused_messages_total{{topic="{topic}"}}']
            for topic in ("event", "state")
        }

    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [("good", EPOCH, seq) for seq in range(1, 11)] == [row[:3] for row in stored(address)]
    assert {"event": 10.0 * (len(GARBAGE) + 2), "state": 10.0} == refused
    assert 4 == len(lines) == len(set(lines))
    assert all("cannot be stored" in line for line in lines)


STRANGE = {
    "zero bytes in a line": {"line": "a\0b"},
    "half a character": {"line": "\ud800"},
    "a total without measure": {"in_total": 10**40},
    "no number": {"track_s": float("nan")},
    "endless": {"confidence": float("inf")},
    "before all time": {"ts": "0001-01-01T00:00:00+14:00"},
}


def test_content_that_no_database_holds(broker: Mosquitto, address: str) -> None:
    """An event whose key is good is stored as it came, so that the device can go on."""
    with collecting(broker.url, address), Listener(broker.url) as world:
        world.say("headcount/door/event", crossing(1))
        for seq, change in enumerate(STRANGE.values(), 2):
            world.say("headcount/door/event", crossing(seq, **change))
        last = 1 + len(STRANGE)
        wait_until(lambda: Ack(EPOCH, last) in acks(world), "all are acknowledged")
    with closing(open_database(address, only_read=True)) as database:
        types = database.query("SELECT type FROM headcount_events ORDER BY seq")

    assert ["crossing", *["unread"] * len(STRANGE)] == [row[0] for row in types]


def test_two_devices_of_one_name(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are stored and acknowledged, each in its epoch; one line says that there are two."""
    address = f"sqlite:{tmp_path}/store.db"

    def state(epoch: str, seq: int) -> str:
        return StateMessage(seq, 0, 0, 0, 0, {"L1": LineCount(seq, 0)}, epoch, seq, NOON).to_json()

    with collecting(broker.url, address), Listener(broker.url) as world:
        for seq in range(1, 6):
            for epoch in (EPOCH, LATER):
                world.say("headcount/door/state", state(epoch, seq), retain=True)
                world.say("headcount/door/event", crossing(seq, epoch=epoch))
                ack = Ack(epoch, seq)
                wait_until(lambda ack=ack: ack in acks(world), "it is acknowledged")

    keys = sorted((epoch, seq) for epoch in (EPOCH, LATER) for seq in range(1, 6))
    assert keys == [row[1:3] for row in stored(address)]
    assert 1 == caplog.text.count("two devices have this id")


def test_a_new_card_is_no_second_device(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The device begins again in a new epoch, and both are stored."""
    address = f"sqlite:{tmp_path}/store.db"
    epochs = []
    with collecting(broker.url, address):
        for card in ("one", "two"):
            with Ledger.open(tmp_path / card) as ledger, publisher(ledger, broker.url):
                epochs.append(ledger.state(NOON).epoch)
                count(ledger, 5)
                delivered(ledger)

    assert sorted(epochs) == sorted({row[1] for row in stored(address)})
    assert "two devices" not in caplog.text


def test_a_store_that_was_set_back_takes_its_word_back(broker: Mosquitto, tmp_path: Path) -> None:
    """The broker still holds what it said before; a device that was away must not believe that."""
    address = f"sqlite:{tmp_path}/store.db"
    with collecting(broker.url, address), Listener(broker.url) as world:
        world.say("headcount/door/event", crossing(1))
        wait_until(lambda: acks(world), "one is stored")
    with Listener(broker.url) as world:
        world.say("headcount/ack/db/door", Ack(EPOCH, 90).to_json(), retain=True)
        wait_until(lambda: Ack(EPOCH, 90) in acks(world), "a word of a database that is lost")
    with collecting(broker.url, address), Listener(broker.url) as world:
        wait_until(lambda: acks(world)[-1:] == [Ack(EPOCH, 1)], "it is taken back")


def test_it_ends_when_told_to(broker: Mosquitto, tmp_path: Path) -> None:
    """Exit 0, at once, without a word."""
    with Collector(broker.url, f"sqlite:{tmp_path}/store.db", tmp_path) as collector:
        running = collector.ready()

        assert 0 == running.stop(signal.SIGTERM)
        assert "Traceback" not in running.log


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--store", "mysql://host/db"], 2, "is no address"),
        (["--broker", "http://host"], 2, "is no address"),
        (["--name", "my store"], 2, "store 'my store'"),
        (["--metrics", "host"], 2, "write HOST:PORT"),
        (["--metrics", "192.0.2.1:9000"], 1, "another address"),
        (["--store", "sqlite:/proc/nowhere/store.db"], 1, "cannot be written"),
        (["--password-file", "/nowhere"], 1, "password cannot be read"),
    ],
)
def test_a_call_that_is_wrong(
    tmp_path: Path,
    arguments: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One clear line, at once."""
    ended = main(["collect", "--store", f"sqlite:{tmp_path}/store.db", *arguments])
    said = capsys.readouterr().err

    assert code == ended
    assert says in said
    assert (1, "headcount: ") == (said.count("\n"), said[:11])


def test_without_psycopg(tmp_path: Path) -> None:
    """PostgreSQL on the base install: exit 2, and what to install."""
    (tmp_path / "psycopg.py").write_text("raise ImportError('no libpq')")
    command = "import sys; sys.path.insert(0, sys.argv[1]); from edge.cli import main; "
    command += "sys.exit(main(['export', '--store', 'postgresql://127.0.0.1:1/none']))"
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert 2 == done.returncode, done.stderr
    assert "pip install 'headcount[collect]'" in done.stderr


def test_json_of_an_event_has_what_the_device_keeps(broker: Mosquitto, ledger: Ledger) -> None:
    """`kept_from` is the oldest event that waits: there a store that is new begins."""
    count(ledger, 5)
    ledger.acknowledge(ledger.state(NOON).epoch, 3)
    with Listener(broker.url) as world, publisher(ledger, broker.url):
        wait_until(lambda: len(world.payloads("event")) >= 2, "they are sent")

    assert [(4, 4), (5, 4)] == [
        (event["seq"], event["kept_from"]) for event in map(json.loads, world.payloads("event")[:2])
    ]
