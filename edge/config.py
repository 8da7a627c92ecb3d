"""The configuration: one TOML file, read once, into frozen sections.

Every key carries its own documentation and its own check, and docs/config.md is printed from
them (`python -m edge.config`). A mistake names file and line. Leaves it to the rooms to open
what is named here: a camera, a broker or a model that is missing is no fault of the file.
"""

from __future__ import annotations

import datetime
import re
import sys
import tomllib
import zoneinfo
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from edge.config_reader import Reader, keys_of
from edge.config_rules import (
    BROKER_URL,
    FLAG,
    OPENING_HOURS,
    PATH,
    POINT,
    TEXT,
    TIME_OF_DAY,
    TIME_ZONE,
    TOPIC_LEVELS,
    OpeningHours,
    as_toml,
    choice,
    number,
    text,
    whole,
)
from edge.errors import CallError, ConfigError, WorldError
from edge.types import Line, Point


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """Who this device is."""

    id: Annotated[
        str,
        text(r"[A-Za-z0-9_-]{1,64}", "letters, digits, `_`, `-`; at most 64"),
        "The device in MQTT topics: `headcount/<id>`. Must differ from every other device.",
    ] = "door"
    name: Annotated[str, TEXT, "The device's name for people; the id where it is empty."] = ""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Where the pictures come from."""

    uri: Annotated[
        str,
        TEXT,
        "A video file, `rtsp://…`, `v4l2:N` (USB camera N), `picamera2:` (the Pi's own camera; "
        "`picamera2:N` for one of several), or `scene:SEED` (a simulated door).",
    ] = "v4l2:0"
    loop: Annotated[bool, FLAG, "Begin a video file again when it ends."] = False
    width: Annotated[
        int | None, whole(16, 8192), "Pixels asked of a camera or scene; not set: its own choice."
    ] = None
    height: Annotated[int | None, whole(16, 8192), "As width."] = None
    fps: Annotated[
        float | None,
        number(0.1, 1000),
        "Pictures per second asked of a camera or scene; for a file, the rate to believe "
        "instead of the one that it states.",
    ] = None
    rotation: Annotated[
        int,
        choice(0, 90, 180, 270),
        "Degrees clockwise by which the pictures are turned, for a camera that hangs on its side "
        "or head; lines are drawn in the turned picture. `headcount replay` takes a recording as "
        "it is.",
    ] = 0
    exposure: Annotated[
        int,
        whole(0, 1_000_000),
        "With `picamera2:` only: microseconds that a picture is exposed; 0: automatic. A short "
        "one, as 8000, keeps who walks sharp; the gain stays automatic.",
    ] = 0
    camera_python: Annotated[
        Path, PATH, "With `picamera2:`: the Python that has Picamera2, which is the system's own."
    ] = Path("/usr/bin/python3")


PRECISIONS = ("f32", "f16", "bf16", "int8", "auto")


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What finds heads."""

    model: Annotated[
        Path | None,
        PATH,
        "Folder of a model bundle (`headcount model list`); not set: the default one.",
    ] = None
    device: Annotated[
        str,
        text(r"auto|[A-Z][A-Z0-9_.:,()-]*(-ma\d+)?", "`auto` or a device of OpenVINO"),
        "`auto`: a Movidius stick where one is plugged in and its Python is installed, else the "
        "CPU. `MYRIAD`: the stick, and the CPU while it does not work. `CPU`, `GPU`, `NPU`, or "
        "`AUTO`, OpenVINO's choice among these three.",
    ] = "auto"
    precision: Annotated[
        str,
        text("|".join(PRECISIONS), "`f32`, `f16`, `bf16`, `int8` or `auto`"),
        "Precision of the arithmetic. `int8` takes the bundle's int8 file, which not every "
        "bundle has; `auto` takes it where the CPU has instructions for it (VNNI), else `f32`. "
        "The scores of all but `f32` differ a little, and with them the counts; audit with the "
        "precision that you run. A stick computes in half precision, whatever float is set.",
    ] = "f32"
    score: Annotated[
        float | None,
        number(0, 1),
        "Lowest score of a new person; not set: the bundle's own. Set it to what `headcount "
        "audit` finds best at this door.",
    ] = None
    threads: Annotated[
        int | None, whole(1, 256), "Threads of inference; not set: OpenVINO's choice."
    ] = None
    ncs_python: Annotated[
        Path | None,
        PATH,
        "With a stick: a Python whose OpenVINO knows `MYRIAD`; not set: the one that "
        "`deploy/install-ncs.sh` installs.",
    ] = None
    trusted_keys: Annotated[
        Path,
        PATH,
        "The folder of the keys (`*.pub`) whose bundles `headcount run` and updates take.",
    ] = Path("/etc/headcount/trusted")
    allow_unsigned: Annotated[
        bool, FLAG, "Let `headcount run` use a bundle that no trusted key has signed."
    ] = False


@dataclass(frozen=True, slots=True)
class CountingConfig:
    """What counts as a crossing."""

    mode: Annotated[
        Literal["immediate", "deferred"],
        text("immediate|deferred", "`immediate` or `deferred`"),
        "`immediate` counts as soon as the crossing is certain; `deferred` when the person "
        "leaves the view, who then counts once at most.",
    ] = "immediate"
    anchor: Annotated[
        Literal["centre", "top", "bottom"],
        text("centre|top|bottom", "`centre`, `top` or `bottom`"),
        "The point of a person's box that must cross: `centre` for heads seen from above; "
        "`bottom`, the feet, where whole bodies are seen from the side.",
    ] = "centre"
    u_turns: Annotated[
        bool | None,
        FLAG,
        "Count one who comes in and goes out again in one view as one in and one out, not as "
        "nothing. Not set: yes with `immediate`, no with `deferred`. `immediate` without them "
        "holds each crossing for 3 seconds, in which a way back undoes it.",
    ] = None


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """Whom to tell."""

    url: Annotated[
        str, BROKER_URL, "The broker: `mqtt://host:1883` or `mqtts://host:8883`; empty: none."
    ] = ""
    user: Annotated[str, TEXT, "User name at the broker."] = ""
    password_file: Annotated[
        Path | None,
        PATH,
        "A file whose first line is the password, to be read by the service alone (mode 0600). "
        "Not set: with a user, systemd's credential `mqtt-password` where there is one.",
    ] = None
    ca: Annotated[
        Path | None, PATH, "With `mqtts`: certificates to trust (PEM); not set: the system's."
    ] = None
    certificate: Annotated[
        Path | None, PATH, "With `mqtts`: this device's own certificate (PEM), to enter with."
    ] = None
    key: Annotated[
        Path | None,
        PATH,
        "The key of `certificate` (PEM, without a passphrase); not set: it is in the same file.",
    ] = None
    plain_text: Annotated[
        bool,
        FLAG,
        "Let `mqtt://` reach a broker on another machine. Whoever is on the way can then read "
        "counts and password, and change them; `mqtts://` needs no such leave.",
    ] = False
    stores: Annotated[
        tuple[str, ...],
        TOPIC_LEVELS,
        "Stores that must acknowledge a crossing before it is forgotten here; with none, the "
        "broker's own acknowledgement is enough.",
    ] = ()
    protocol: Annotated[
        str,
        text(r"auto|5|3\.1\.1", "`auto`, `5` or `3.1.1`"),
        "MQTT version; `auto` takes 5 and falls back to 3.1.1.",
    ] = "auto"
    discovery: Annotated[bool, FLAG, "Announce the device to Home Assistant."] = True


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """Where the truth lies."""

    path: Annotated[Path, PATH, "The SQLite file of the counts."] = Path("ledger.db")
    max_mb: Annotated[
        int,
        whole(8, 1_000_000),
        "Size in MB from which on the oldest acknowledged rows are dropped.",
    ] = 256


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """The clock of the site."""

    timezone: Annotated[
        str, TIME_ZONE, "As `Europe/Berlin`; empty: the time zone of the machine."
    ] = ""
    day_starts: Annotated[datetime.time, TIME_OF_DAY, "When the counts of today begin anew."] = (
        datetime.time(0, 0)
    )
    occupancy_reset: Annotated[
        datetime.time | None,
        TIME_OF_DAY,
        "When nobody is inside any more: occupancy begins at 0 again, as every counter misses "
        "somebody now and then. Not set: it never does by itself.",
    ] = None
    opening_hours: Annotated[
        tuple[OpeningHours, ...],
        OPENING_HOURS,
        "When people are expected; empty: always. Reserved: not used by this version.",
    ] = ()

    def zone(self) -> zoneinfo.ZoneInfo | None:
        """The time zone; None for that of the machine."""
        return zoneinfo.ZoneInfo(self.timezone) if self.timezone else None


@dataclass(frozen=True, slots=True)
class UpdateConfig:
    """How a new model comes into service; not where `detector.model` fixes one."""

    folder: Annotated[
        Path | None,
        PATH,
        "Where models and the recorded clip are kept; not set: `models`, beside the ledger.",
    ] = None
    max_mb: Annotated[int, whole(1, 1000), "Size in MB up to which a bundle is taken."] = 128
    max_ms: Annotated[
        float,
        number(1, 10_000),
        "Milliseconds that a picture may take in the test of a new model; or half as much again as "
        "with the model before, where that is more.",
    ] = 200.0
    self_test_s: Annotated[
        float, number(5, 600), "Seconds after which the test of a new model has failed."
    ] = 20.0
    self_test_mb: Annotated[
        float, number(100, 100_000), "MB of memory that the test of a new model may take."
    ] = 1024.0


@dataclass(frozen=True, slots=True)
class SamplesConfig:
    """Pictures that the detector finds hard, kept on the device for a retraining."""

    enabled: Annotated[
        bool,
        FLAG,
        "Keep them, until `headcount-deploy samples` fetches them; nothing else sends them.",
    ] = False
    max_mb: Annotated[int, whole(1, 100_000), "MB that they may take; no more are kept then."] = 100
    every_s: Annotated[float, number(1, 86_400), "Seconds from one to the next, at least."] = 60.0
    blur: Annotated[
        bool,
        FLAG,
        "Blur what may be a head. Heads that are to teach must not be blurred; what only looks "
        "like one may be.",
    ] = True


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The page on the device. Reserved: this version serves none."""

    enabled: Annotated[bool, FLAG, "Serve a read-only page with the counts."] = False
    host: Annotated[str, TEXT, "Address to listen on; `0.0.0.0` for the network."] = "127.0.0.1"
    port: Annotated[int, whole(0, 65535), "Port to listen on; 0 takes a free one."] = 8480


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. `lines` may be empty: they can also be drawn on the device."""

    device: DeviceConfig = DeviceConfig()
    source: SourceConfig = SourceConfig()
    lines: tuple[Line, ...] = ()
    detector: DetectorConfig = DetectorConfig()
    counting: CountingConfig = CountingConfig()
    mqtt: MqttConfig = MqttConfig()
    ledger: LedgerConfig = LedgerConfig()
    site: SiteConfig = SiteConfig()
    update: UpdateConfig = UpdateConfig()
    samples: SamplesConfig = SamplesConfig()
    web: WebConfig = WebConfig()

    @property
    def models(self) -> Path:
        """The folder of the models that came after the application."""
        return self.update.folder or self.ledger.path.parent / "models"

    @property
    def kept_pictures(self) -> Path:
        """The folder of the samples."""
        return self.ledger.path.parent / "samples"


@dataclass(frozen=True, slots=True)
class _LineTable:
    """One `[[line]]`, which may stand several times."""

    name: Annotated[
        str,
        text(r"[^\x00-\x1f\x7f]{1,64}", "1 to 64 characters"),
        "Must differ from the others; not set: `L1`, `L2`, … by place in the file.",
    ] = ""
    a: Annotated[Point | None, POINT, "One end."] = None
    b: Annotated[Point | None, POINT, "The other end."] = None
    in_side: Annotated[
        Point | None, POINT, "Any point beside the line: people who end on its side went in."
    ] = None


SECTIONS: dict[str, type] = {
    item.name: type(item.default) for item in fields(Config) if item.name != "lines"
}


def read_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        WorldError: there is no such file, or it cannot be read.
        ConfigError: it is not TOML, or a key is unknown or wrong; names file and line.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as e:
        raise WorldError(f"{path}: no such configuration file") from e
    except OSError as e:
        raise WorldError(
            f"{path}: cannot be read: {e.strerror}; give a file that this user may read"
        ) from e
    if b"\0" in content:
        raise ConfigError(
            f"{path}:{content[: content.index(0)].count(10) + 1}: holds zero bytes, as a file does "
            "that was being written when the power was cut; write it anew"
        )
    try:  # some editors begin a file with a mark
        return parse_config(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from e


def parse_config(content: str, name: str = "config") -> Config:
    """Parse the text of a configuration; `name` stands for the file in errors.

    Raises:
        ConfigError: as `read_config`.
    """
    try:
        document = tomllib.loads(content)
    except (ValueError, RecursionError) as e:  # not all that it raises is a TOMLDecodeError
        raise _no_toml(name, content, e) from e
    reader = Reader(name, content)
    reader.refuse_unknown("", document, [*SECTIONS, "line"])
    sections: dict[str, Any] = {
        section: reader.section(section, kind, document.get(section, {}))
        for section, kind in SECTIONS.items()
    }
    return Config(**sections, lines=_lines(reader, document.get("line", [])))


def _no_toml(name: str, content: str, error: Exception) -> ConfigError:
    what, _, place = str(error).rpartition(" (at ")
    digits = re.match(r"line (\d+), ", place)
    line = int(digits[1]) if digits else content.rstrip().count("\n") + 1
    return ConfigError(f"{name}:{line}: is not TOML: {what or error}; mend that line")


def checked_line(line: Line) -> Line:
    """Return the line, if one can count at it.

    Raises:
        CallError: it has no length, a point outside the picture, or its in side on it.
    """
    for label, (x, y) in (("a", line.a), ("b", line.b), ("in_side", line.in_side)):
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise CallError(f"line {line.name!r}: {label} ({x:g}, {y:g}) is outside 0..1")
    dx, dy = line.b[0] - line.a[0], line.b[1] - line.a[1]
    length = (dx * dx + dy * dy) ** 0.5
    if length < 1e-6:
        raise CallError(f"line {line.name!r} has no length: a and b must differ")
    depth = dx * (line.in_side[1] - line.a[1]) - dy * (line.in_side[0] - line.a[0])
    if abs(depth) / length < 1e-6:
        raise CallError(f"line {line.name!r}: in_side lies on the line; give a point beside it")
    return line


def _lines(reader: Reader, tables: object) -> tuple[Line, ...]:
    if not isinstance(tables, list):
        raise reader.error("line", "", "line must be a list of sections: write [[line]]")
    lines: list[Line] = []
    for nth, table in enumerate(tables):
        line = _line(reader, table, nth)
        if line.name in [other.name for other in lines]:
            raise reader.error("line", "name", f"two lines have the name {line.name!r}", nth)
        lines.append(line)
    return tuple(lines)


def _line(reader: Reader, table: object, nth: int) -> Line:
    given = reader.section("line", _LineTable, table, nth)
    if given.a is None or given.b is None or given.in_side is None:
        message = "a [[line]] needs a = [x, y], b = [x, y] and in_side = [x, y]"
        raise reader.error("line", "", message, nth)
    line = Line(given.name or f"L{nth + 1}", given.a, given.b, given.in_side)
    try:
        return checked_line(line)
    except CallError as e:
        raise reader.error("line", "a", str(e), nth) from e


_PREAMBLE = """\
# The configuration file

`headcount run -c FILE` reads one TOML file. Every key has a default but the points of a line; an
unknown key is an error. Relative paths start at the working directory (that of the service is
its state directory). Points are `[x, y]`, from `[0, 0]` at the upper left of the picture to
`[1, 1]` at the lower right.

```toml
"""

EXAMPLE = """\
[device]
id = "front-door"

[source]
uri = "v4l2:0"

[[line]]
name = "entrance"
a = [0.1, 0.5]
b = [0.9, 0.5]
in_side = [0.5, 0.9]

[mqtt]
url = "mqtt://localhost:1883"
"""


def render_reference() -> str:
    """The text of docs/config.md."""
    tables = {f"[{name}]": kind for name, kind in SECTIONS.items()}
    tables["[[line]]"] = _LineTable
    parts = [_PREAMBLE + EXAMPLE + "```\n"]
    for heading, kind in tables.items():
        rows = [f"## `{heading}`\n", f"{kind.__doc__}\n"]
        rows += ["| key | is | default | what it does |", "|---|---|---|---|"]
        for key in keys_of(kind):
            required = kind is _LineTable and key.name != "name"
            default = "required" if required else as_toml(key.default)
            rows.append(f"| `{key.name}` | {key.rule.kind} | {default} | {key.doc} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(render_reference())
