"""The configuration file: what it says is what the rooms get; a mistake names file and line."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import (
    EXAMPLE,
    Config,
    checked_line,
    parse_config,
    read_config,
    render_reference,
)
from edge.config_rules import OpeningHours
from edge.errors import CallError, ConfigError, WorldError
from edge.types import Line

REFERENCE = Path(__file__).parent.parent / "docs" / "config.md"

FULL = """\
[device]
id = "north-door"
name = "North door"

[source]
uri = "rtsp://camera/1"
loop = true
width = 640
height = 480
fps = 12
rotation = 90
exposure = 8000
camera_python = "/opt/camera/bin/python"

[[line]]
name = "left"
a = [0, 0.5]
b = [0.5, 0.5]
in_side = [0.2, 1]

[[line]]
a = [0.5, 0.5]
b = [1, 0.5]
in_side = [0.7, 0]

[detector]
model = "models/mine"
device = "AUTO"
precision = "bf16"
score = 0.4
threads = 2
ncs_python = "/opt/ncs/bin/python"
trusted_keys = "/etc/keys"
allow_unsigned = true

[counting]
mode = "deferred"
anchor = "top"
u_turns = true

[mqtt]
url = "mqtts://broker.example:8883"
user = "door"
password_file = "secret"
ca = "ca.pem"
certificate = "/etc/door.pem"
key = "/etc/door.key"
plain_text = true
stores = ["cloud", "office"]
protocol = "5"
discovery = false

[ledger]
path = "counts.db"
max_mb = 64

[site]
timezone = "Europe/Berlin"
day_starts = "04:30"
occupancy_reset = "04:30"
opening_hours = ["mon-fri 08:00-20:00", "sat 22:00-02:00"]

[update]
folder = "/srv/models"
max_mb = 64
max_ms = 90
self_test_s = 30
self_test_mb = 500

[samples]
enabled = true
max_mb = 10
every_s = 5
blur = false

[web]
enabled = true
host = "0.0.0.0"
port = 8000
"""


def test_every_key_reaches_its_section() -> None:
    """A file that sets every key to something else than its default."""
    config = parse_config(FULL)

    assert "north-door" == config.device.id
    assert ("rtsp://camera/1", True, 640, 480, 12.0) == (
        config.source.uri,
        config.source.loop,
        config.source.width,
        config.source.height,
        config.source.fps,
    )
    assert (90, 8000, Path("/opt/camera/bin/python")) == (
        config.source.rotation,
        config.source.exposure,
        config.source.camera_python,
    )
    assert (
        Line("left", (0.0, 0.5), (0.5, 0.5), (0.2, 1.0)),
        Line("L2", (0.5, 0.5), (1.0, 0.5), (0.7, 0.0)),
    ) == config.lines
    assert Path("models/mine") == config.detector.model
    assert ("deferred", "top", True) == (
        config.counting.mode,
        config.counting.anchor,
        config.counting.u_turns,
    )
    assert ("cloud", "office") == config.mqtt.stores
    assert Path("counts.db") == config.ledger.path
    assert datetime.time(4, 30) == config.site.day_starts
    assert (
        OpeningHours((0, 1, 2, 3, 4), 480, 1200),
        OpeningHours((5,), 1320, 1560),
    ) == config.site.opening_hours
    assert ZoneInfo("Europe/Berlin") == config.site.zone()
    assert 8000 == config.web.port
    assert (Path("/srv/models"), Path("models")) == (config.models, Config().models)


def test_full_file_leaves_no_default() -> None:
    """The file above speaks of every key there is, so no key goes untested."""
    full, default = parse_config(FULL), Config()
    untouched = [
        f"{section}.{key}"
        for section in Config.__slots__
        if section != "lines"
        for key in getattr(default, section).__slots__
        if getattr(getattr(full, section), key) == getattr(getattr(default, section), key)
    ]

    assert [] == untouched


def test_empty_file_is_all_defaults() -> None:
    """Nothing is required to stand in the file."""
    assert Config() == parse_config("")
    assert Config().site.zone() is None


def test_reference_is_printed_from_the_code() -> None:
    """docs/config.md is what `python -m edge.config` prints."""
    assert render_reference() == REFERENCE.read_text(encoding="utf-8")


def test_example_of_the_reference_is_valid() -> None:
    """The example that the reference shows can be used as it is."""
    assert 1 == len(parse_config(EXAMPLE).lines)


BAD = [
    pytest.param("[source]\nuri = 'a.mp4'\ncolour = 1\n", 3, "colour", id="unknown key"),
    pytest.param("[source]\n\nurl = 'a.mp4'\n", 3, "did you mean uri?", id="misspelt key"),
    pytest.param("\n[sauce]\nuri = 'a.mp4'\n", 2, "sauce", id="unknown section"),
    pytest.param("colour = 'red'\n[source]\n", 1, "colour", id="key outside of a section"),
    pytest.param("# x\nsource = 'a.mp4'\n", 2, "write [source]", id="section that is a value"),
    pytest.param("[source]\nfps = 'fast'\n", 2, "number", id="text for a number"),
    pytest.param("[source]\nfps = nan\n", 2, "number", id="not a number"),
    pytest.param("[source]\nwidth = 640.5\n", 2, "whole number", id="broken width"),
    pytest.param("[source]\nwidth = true\n", 2, "whole number", id="flag for a number"),
    pytest.param("[source]\nwidth = 4\n", 2, "16 to 8192", id="width out of range"),
    pytest.param("[source]\nloop = 1\n", 2, "true or false", id="number for a flag"),
    pytest.param("[source]\nuri = 7\n", 2, "text", id="number for text"),
    pytest.param("[source]\nrotation = 45\n", 2, "0, 90, 180 or 270", id="no quarter turn"),
    pytest.param("[source]\nrotation = true\n", 2, "0, 90, 180 or 270", id="flag for a turn"),
    pytest.param("[device]\nid = 'a/b'\n", 2, "letters", id="id that is no topic level"),
    pytest.param("[detector]\nscore = 1.5\n", 2, "0 to 1", id="score out of range"),
    pytest.param("[detector]\nprecision = 'f8'\n", 2, "f32", id="unknown precision"),
    pytest.param("[detector]\nmodel = ''\n", 2, "path", id="empty path"),
    pytest.param("[counting]\nmode = 'later'\n", 2, "deferred", id="unknown mode"),
    pytest.param("[mqtt]\nurl = 'http://x'\n", 2, "mqtt://", id="no broker address"),
    pytest.param("[mqtt]\nurl = 'mqtt://x:port'\n", 2, "mqtt://", id="port that is none"),
    pytest.param("[mqtt]\nurl = 'mqtt://a:b@x'\n", 2, "password_file", id="password in address"),
    pytest.param("[mqtt]\nstores = ['a', 'a']\n", 2, "differ", id="same store twice"),
    pytest.param("[mqtt]\nstores = 'a'\n", 2, "list", id="text for a list"),
    pytest.param("[site]\ntimezone = 'Mars/Crater'\n", 2, "time zone", id="unknown time zone"),
    pytest.param("[site]\ntimezone = '../x'\n", 2, "time zone", id="time zone that climbs"),
    pytest.param("[site]\nday_starts = '25:00'\n", 2, "time", id="no time of day"),
    pytest.param("[site]\nopening_hours = ['daily']\n", 2, "mon-fri", id="no opening hours"),
    pytest.param("[site]\nopening_hours = 'mon 1-2'\n", 2, "list", id="hours that are no list"),
    pytest.param("[line]\na = [0, 0]\n", 1, "[[line]]", id="line that is no list"),
    pytest.param("[[line]]\na = [0, 0]\nb = [1, 1]\n", 1, "in_side", id="line without in side"),
    pytest.param(
        "[[line]]\na = [0, 0.5]\nb = [1.2, 0.5]\nin_side = [0, 1]\n", 3, "0 to 1", id="far point"
    ),
    pytest.param(
        "[[line]]\na = [0, 0.5, 1]\nb = [1, 0.5]\nin_side = [0, 1]\n", 2, "point", id="3 numbers"
    ),
    pytest.param(
        "[[line]]\na = [1, 0.5]\nb = [1, 0.5]\nin_side = [0, 1]\n", 2, "no length", id="no length"
    ),
    pytest.param(
        "[[line]]\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0.3, 0.5]\n",
        2,
        "in_side lies on the line",
        id="in side on the line",
    ),
    pytest.param(
        2 * "[[line]]\nname = 'x'\na = [0, 0.5]\nb = [1, 0.5]\nin_side = [0, 1]\n",
        7,
        "'x'",
        id="same name twice",
    ),
    pytest.param("[[line]]\n[[line]]\ncolour = 1\n", 1, "[[line]]", id="first line is empty"),
]


@pytest.mark.parametrize(("content", "line", "words"), BAD)
def test_mistake_names_file_line_and_mend(content: str, line: int, words: str) -> None:
    """Every mistake is a ConfigError of one line: FILE:LINE, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        parse_config(content, "door.toml")

    message = str(caught.value)
    assert message.startswith(f"door.toml:{line}: ")
    assert words in message
    assert "\n" not in message


def test_syntax_error_names_its_line(tmp_path: Path) -> None:
    """What is not TOML: the parser's word, with file and line as for any other mistake."""
    path = tmp_path / "door.toml"
    path.write_text("[source]\nuri = \n")

    with pytest.raises(ConfigError, match=r"door\.toml:2: is not TOML: Invalid value; mend"):
        read_config(path)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is a fault of the world, not of the call."""
    with pytest.raises(WorldError, match="no such configuration file"):
        read_config(tmp_path / "none.toml")


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    """A folder cannot be read as a configuration."""
    with pytest.raises(WorldError, match="cannot be read"):
        read_config(tmp_path)


def test_a_mark_at_the_beginning_is_passed_over(tmp_path: Path) -> None:
    """Editors of Windows put three bytes before the text and end lines in their own way."""
    path = tmp_path / "door.toml"
    path.write_bytes(b"\xef\xbb\xbf[device]\r\nid = 'x'\r\n")

    assert "x" == read_config(path).device.id


def test_zero_bytes_of_a_power_cut_are_named(tmp_path: Path) -> None:
    """A file that has its length but not its content: it is said what that comes from."""
    path = tmp_path / "door.toml"
    path.write_bytes(b"[device]\nid = '" + bytes(100))

    with pytest.raises(ConfigError, match=r"door\.toml:2: holds zero bytes.*power"):
        read_config(path)


HOPELESS = {
    "nested too deep": "x = " + 5000 * "[",
    "number of too many digits": "x = " + 5000 * "9",
    "number beyond all bounds": "[source]\nfps = " + 400 * "9",
    "home of nobody": "[ledger]\npath = '~nobody-of-that-name/x'",
    "time zone that is a folder": "[site]\ntimezone = 'Europe'",
    "time zone of great length": "[site]\ntimezone = '" + 5000 * "x" + "'",
}


@pytest.mark.parametrize("content", HOPELESS.values(), ids=HOPELESS.keys())
def test_what_makes_the_parser_itself_fail_is_a_mistake_too(content: str) -> None:
    """Whatever stands there, it is a ConfigError with file and line."""
    with pytest.raises(ConfigError, match=r"^door\.toml:\d+: [^\n]*$"):
        parse_config(content, "door.toml")


def test_a_file_cut_anywhere_is_a_smaller_one_or_a_mistake(tmp_path: Path) -> None:
    """Each beginning of a file is read or refused with its line; only whole ones are read."""
    path = tmp_path / "door.toml"
    whole = FULL.encode()
    read = set()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        try:
            read_config(path)
        except ConfigError as error:
            assert re.match(rf"{path}:\d+: [^\n]+$", str(error)), (length, str(error))
        else:
            read.add(length)

    assert {0, len(whole)} < read
    assert len(read) < len(whole) / 2


def test_file_that_is_not_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused."""
    path = tmp_path / "door.toml"
    path.write_bytes(b"\xff\xfe[source]")

    with pytest.raises(ConfigError, match="UTF-8"):
        read_config(path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param("source.colour = 1\n", 1, id="dotted key"),
        pytest.param("\nsource = { colour = 1 }\n", 2, id="inline table"),
        pytest.param('[mqtt]\n\n["source"] # x\n"colour" = 1\n', 4, id="quoted key"),
    ],
)
def test_place_of_a_key_in_other_spellings(content: str, line: int) -> None:
    """TOML has several ways to write a key; the line is right in each."""
    with pytest.raises(ConfigError, match=f"^x:{line}: unknown key 'colour'"):
        parse_config(content, "x")


COORDINATE = st.floats(0, 1)
POINT = st.tuples(COORDINATE, COORDINATE)


@given(st.builds(Line, st.just("x"), POINT, POINT, POINT))
def test_line_survives_the_file(line: Line) -> None:
    """A line that can count is the same after it went through a file; others are refused."""
    try:
        checked_line(line)
    except CallError:
        return
    keys = {"a": line.a, "b": line.b, "in_side": line.in_side}
    content = "".join(f"{key} = [{x!r}, {y!r}]\n" for key, (x, y) in keys.items())

    assert (line,) == parse_config(f'[[line]]\nname = "x"\n{content}').lines


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(content: str) -> None:
    """No text makes the parser fail in another way than by a ConfigError."""
    try:
        parse_config(content)
    except ConfigError as error:
        assert "\n" not in str(error)


def test_line_outside_the_picture() -> None:
    """A line given by a caller is checked as one from a file."""
    with pytest.raises(CallError, match="outside"):
        checked_line(Line("x", (0.0, 0.5), (1.5, 0.5), (0.5, 0.9)))
