"""Where an MQTT broker is and how to enter, read from an address or from the configuration."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge.config import MqttConfig
from edge.errors import BrokerError, CallError

CREDENTIAL = "mqtt-password"


@dataclass(frozen=True, slots=True)
class Access:
    """Where a broker is and how to enter."""

    host: str
    port: int
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None  # of this device
    key: Path | None = None
    protocol: str = "auto"  # auto | 5 | 3.1.1

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    @classmethod
    def of_url(cls, url: str) -> Access:
        """Read `mqtt://[user:password@]host[:1883]` or `mqtts://…[:8883]`.

        Raises:
            CallError: it is no such address.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _no_address(url) from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/"):
            raise _no_address(url)
        tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=port or (8883 if tls else 1883),
            tls=tls,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    def entered_with(self, *, ca: Path | None, password_file: Path | None) -> Access:
        """The same with a certificate to trust and the password of a file, where given.

        Raises:
            BrokerError: the password cannot be read.
        """
        password = _read_password(password_file) if password_file else self.password
        return replace(self, ca=ca or self.ca, password=password)

    @classmethod
    def of_config(cls, config: MqttConfig, environment: Mapping[str, str] = os.environ) -> Access:
        """Take the address from the configuration and the password from its file.

        Args:
            config: the broker.
            environment: in which systemd tells where its credentials are.

        Raises:
            CallError: `mqtt.url` is no address.
            BrokerError: the password cannot be read, or would travel in plain text.
        """
        access = cls.of_url(config.url)
        if not (access.tls or config.plain_text or _is_this_machine(access.host)):
            raise BrokerError(
                f"broker {access}: is another machine, and all would go there in plain text; write "
                "mqtts://, or allow it with plain_text = true below [mqtt]"
            )
        secret = config.password_file or _credential(config, environment)
        return replace(
            access,
            user=config.user,
            password=_read_password(secret) if secret else "",
            ca=config.ca,
            certificate=config.certificate,
            key=config.key,
            protocol=config.protocol,
        )


def _is_this_machine(host: str) -> bool:
    """By its name alone: no name server is asked what might be answered by anybody."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _credential(config: MqttConfig, environment: Mapping[str, str]) -> Path | None:
    """The password that systemd keeps for the service, LoadCredential=mqtt-password:..."""
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder) / CREDENTIAL
    return path if config.user and folder and path.exists() else None


def can_all_read(path: Path) -> bool:
    """Whether every user of this machine may read a file, as far as its own mode says."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _no_address(url: str) -> CallError:
    return CallError(
        f"broker {url!r}: is no address; write mqtt://host[:port] or mqtts://host[:port]"
    )


def _read_password(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BrokerError(
            f"{path}: the broker's password cannot be read: {reason}; mend the file or "
            "mqtt.password_file"
        ) from error
    return lines[0] if lines else ""
