"""An offered file is fetched over HTTP, from a server that the test leads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.contract.offer import Offer
from edge.errors import UpdateError
from edge.updater.pull import AwayError, pull
from tests.brokers import free_port
from tests.shops import CONTENT, Shop, open_shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as made:
        yield made


def test_a_file_is_fetched(shop: Shop, tmp_path: Path) -> None:
    """Once; what is there already is not fetched again."""
    for _ in range(2):
        pull(shop.offer(), tmp_path / "b")

    assert CONTENT == (tmp_path / "b").read_bytes()
    assert [None] == shop.asked


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "none"])
def test_what_was_cut_off_goes_on_from_there(shop: Shop, tmp_path: Path, ranges: bool) -> None:
    """By Range; a server that knows none gives all again."""
    shop.cut, shop.ranges = 30_000, ranges
    with pytest.raises(AwayError):
        pull(shop.offer(), tmp_path / "b")
    shop.cut = 0
    pull(shop.offer(), tmp_path / "b")

    assert CONTENT == (tmp_path / "b").read_bytes()
    assert [None, "bytes=30000-"] == shop.asked


def test_a_server_that_is_away_is_asked_again_later(shop: Shop, tmp_path: Path) -> None:
    """Nobody there, silence in the middle, or too busy; what is wrong for good is told as that."""
    with pytest.raises(AwayError):
        pull(shop.offer(url=f"http://127.0.0.1:{free_port()}/b"), tmp_path / "b")
    for code, kind in ((503, AwayError), (429, AwayError), (404, UpdateError), (403, UpdateError)):
        shop.code = code
        with pytest.raises(UpdateError, match=str(code)) as caught:
            pull(shop.offer(), tmp_path / "b")

        assert kind is caught.type


def test_another_file_than_the_offered_one(shop: Shop, tmp_path: Path) -> None:
    """Of another size: not fetched. Of the same size: refused, and nothing is left."""
    with pytest.raises(UpdateError, match="were offered"):
        pull(shop.offer(size=len(CONTENT) - 1), tmp_path / "b")
    offer = shop.offer()
    shop.content = CONTENT[:-1] + b"!"
    with pytest.raises(UpdateError, match="sha256 differs"):
        pull(offer, tmp_path / "b")

    assert not (tmp_path / "b").exists()


def test_no_byte_more_than_offered_is_taken(tmp_path: Path) -> None:
    """A server that names no length and never ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        offer = Offer(f"http://127.0.0.1:{server.getsockname()[1]}/b", 1000, "0" * 64)

        def flood() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(1_000_000))

        thread = threading.Thread(target=flood)
        thread.start()
        with pytest.raises(UpdateError, match="sha256 differs"):
            pull(offer, tmp_path / "b")
        thread.join()


def test_zeros_that_a_power_cut_left_are_fetched_anew(shop: Shop, tmp_path: Path) -> None:
    """The first try finds the damage, the second fetches all."""
    (tmp_path / "b").write_bytes(bytes(5000))
    with pytest.raises(AwayError, match="anew"):
        pull(shop.offer(), tmp_path / "b")
    pull(shop.offer(), tmp_path / "b")

    assert CONTENT == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/b"])
def test_no_redirection_leads_elsewhere(shop: Shop, tmp_path: Path, where: str) -> None:
    """HTTP and HTTPS alone."""
    shop.code, shop.location = 302, where
    with pytest.raises(UpdateError):
        pull(shop.offer(), tmp_path / "b")

    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "file:///etc/passwd"}, {"url": "ftp://x/b"}, {"url": "http://"},
        {"url": "http://x y"}, {"size": 0}, {"size": 1 << 31},
        {"sha256": "0" * 63}, {"sha256": "G" * 64},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_offer(shop: Shop, wrong: dict[str, object]) -> None:
    """Other schemes, sizes without measure, digests that are none."""
    with pytest.raises(ValueError, match="must have"):
        shop.offer(**wrong)
