"""A configuration that is broken by hand or by a power cut: one line tells where, and the mend."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.cli import main
from tests.doors import LINE, Door


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A door; its processes end with the test."""
    made = Door(tmp_path, tmp_path)
    yield made
    made.close()


def _text(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


GOOD = f'[source]\nuri = "scene:1"\n{LINE}'
BY_HAND: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "unknown key": (_text(GOOD + "[mqtt]\nurll = 'mqtt://x'\n"), 2, ":9: unknown key 'urll'"),
    "wrong type": (_text("[source]\nuri = 7\n" + LINE), 2, ":2: source.uri must be text"),
    "half a line": (_text(GOOD[:-10]), 2, ":7: is not TOML"),
    "half a file": (_text(GOOD[: GOOD.index("b =")]), 2, ":3: a [[line]] needs"),
    "empty": (_text(""), 2, "add a [[line]]"),
    "no length": (_text(GOOD.replace("[1, 0.5]", "[0, 0.5]")), 2, "has no length"),
    "no text": (_bytes(GOOD.encode() + b"# \xe4\n"), 2, "is not UTF-8"),
    "zeros of a power cut": (_bytes(bytes(512)), 2, ":1: holds zero bytes"),
    "folder": (Path.mkdir, 1, "cannot be read: Is a directory"),
    "nothing": (lambda _: None, 1, "no such configuration file"),
}


@pytest.mark.parametrize(("spoil", "code", "words"), BY_HAND.values(), ids=BY_HAND.keys())
def test_a_configuration_broken_by_hand(
    door: Door,
    spoil: Callable[[Path], None],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit 2 (1 where there is no file), and one line with the file, the line and the key."""
    spoil(door.config)
    ended = main(["run", "-c", str(door.config)])
    said = capsys.readouterr().err

    assert code == ended
    assert said.startswith(f"headcount: {door.config}")
    assert words in said
    assert 1 == said.count("\n")


def test_a_configuration_that_this_user_may_not_read(door: Door) -> None:
    """Exit 1, and the line names the file."""
    door.config.write_text(GOOD)
    door.config.chmod(0o000)
    # Root reads everything, but for what it may not by a capability that it lays down.
    within = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if not os.getuid() else []
    if within and shutil.which("setpriv") is None:
        pytest.skip("no setpriv (Debian: util-linux), and root reads everything")
    running = door.start(within=within)

    assert 1 == running.ends()
    assert "Permission denied" in running.complaint()
    assert str(door.config) in running.complaint()
