"""One small tree of errors; each message says what is wrong, where, and how to mend it.

    HeadcountError
    +-- CallError            exit 2: the call is wrong (arguments, a line of no length)
    |   +-- ConfigError      ... a configuration file or recipe is wrong
    +-- WorldError           exit 1: the world is wrong
        +-- SourceError      ... no such video or camera, or it gives no pictures
        +-- BundleError      ... a model bundle is missing, damaged or not trusted
        +-- UpdateError      ... a bundle cannot be taken into service here, or not now
        +-- DetectorError    ... a model cannot be loaded or run on this device
        +-- LedgerError      ... the counts cannot be written
        +-- BrokerError      ... an MQTT broker is needed and cannot be reached
        +-- StoreError       ... a collector's database is away, full or broken
        +-- DataError        ... a truth, detections, picture or annotation file is wrong

The command line prints such an error as one line, without a traceback, and exits with its
`exit_code`. Any other exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class HeadcountError(Exception):
    """A foreseeable fault, told in one line."""

    exit_code: ClassVar[int] = 1


class CallError(HeadcountError):
    """The call is wrong: arguments, configuration, a line of no length."""

    exit_code = 2


class ConfigError(CallError):
    """A configuration file or a recipe is wrong."""


class WorldError(HeadcountError):
    """The world is wrong: a file, camera, model or broker is not as it must be."""


class SourceError(WorldError):
    """A video or camera is missing or gives no pictures."""


class BundleError(WorldError):
    """A model bundle is missing, damaged or not trusted."""


class UpdateError(WorldError):
    """A bundle cannot be taken into service on this device, or not now."""


class DetectorError(WorldError):
    """A model cannot be loaded or run on the device."""


class LedgerError(WorldError):
    """The counts cannot be read or written."""


class BrokerError(WorldError):
    """An MQTT broker is needed and cannot be reached."""


class StoreError(WorldError):
    """A collector's database cannot be reached, read or written now; it may be again later."""


class DataError(WorldError):
    """A truth, detections, picture or annotation file is wrong."""
