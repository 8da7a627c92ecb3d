"""One connection to an MQTT broker, from its opening to its loss.

A connection never mends itself: whoever holds one opens the next, and so nothing that a lost one
had in flight can turn up twice or out of order. paho's network thread only fills the inbox; the
holder empties it in a thread of its own. What is said on which topic is left to the holder.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.access import Access
from edge.errors import BrokerError

_VERSIONS = {
    "auto": (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311),
    "5": (MQTTProtocolVersion.MQTTv5,),
    "3.1.1": (MQTTProtocolVersion.MQTTv311,),
}
_REACH_S = 5.0  # for TCP and TLS
_ANSWER_S = 4.0  # for CONNACK, which some brokers never send when a version is new to them
_GOODBYE_S = 1.0
LARGEST = 65536  # bytes of a payload that is kept
_BACKLOG = 1000  # messages that wait for the holder; what comes beyond is dropped
_NO_LIMIT = 65535  # messages in flight, where the broker names no limit
_TAKEN_BY_ALL = 20  # messages in flight, by default of mosquitto, which is as low as they go
_SPARE = 10  # times what may wait; more is dropped unacknowledged, and comes again or is of QoS 0
_WRONG_VERSION = 0x84
_ENTRY_DENIED = (0x86, 0x87)  # bad user name or password, not authorised
_CUT, _SILENT = "it was cut", "the broker has fallen silent"
_ENDS = {MQTTErrorCode.MQTT_ERR_CONN_LOST: _CUT, MQTTErrorCode.MQTT_ERR_KEEPALIVE: _SILENT}
_KEEPALIVE_TIMEOUT = 0x8D


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says, retained, once this client is gone without a goodbye."""

    topic: str
    payload: str


@dataclass(frozen=True, slots=True)
class Intake:
    """Have the holder acknowledge each message by hand, once it has done with it.

    Args:
        at_once: messages that wait for that, at most, where the broker speaks MQTT 5.
        most_bytes: of a message; MQTT 5 brokers leave out larger ones.
        kept_s: how long the broker keeps what comes while this client is away; 0: not at all.
            With MQTT 3.1.1, which has no such time, as long as the broker likes.
    """

    at_once: int
    most_bytes: int
    kept_s: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """The broker has taken message `mid`; `refusal` says why it has not."""

    mid: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """Something arrived; `retained`: it was said before this client asked.

    Of a payload that is larger than `LARGEST`, or than what an `Intake` takes, only the beginning
    is here, a byte more than that. `mid` is what `Connection.acknowledge` needs; 0: it wants none.
    """

    topic: str
    payload: bytes
    retained: bool
    mid: int = 0


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker's answer to subscription `mid`; `refusal` says why it is none."""

    mid: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is over; nothing follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Woken:
    """Another thread has called `wake`."""


@dataclass(frozen=True, slots=True)
class _Answer:
    reason: ReasonCode
    window: int


_log = logging.getLogger(__name__)

Event = Delivered | Message | Subscribed | Woken | Lost
_Inbox = queue.SimpleQueue[Event | _Answer]


class Connection:
    """An open connection. `version` is the MQTT version, `window` how much may be in flight.

    With an `Intake`, what is beyond the broker's limit waits for its turn by itself.
    """

    def __init__(self, client: _Client, inbox: _Inbox, version: str, window: int) -> None:
        self.version = version
        self.window = window
        self._client = client
        self._inbox = inbox

    @classmethod
    def open(
        cls,
        access: Access,
        client_id: str,
        *,
        keepalive_s: int = 10,
        will: Will | None = None,
        intake: Intake | None = None,
    ) -> Connection:
        """Connect, with MQTT 5 where the broker knows it.

        Without `intake` messages are acknowledged as they arrive, and none is kept for later.

        Raises:
            BrokerError: the broker cannot be reached, does not answer or refuses.
        """
        versions = _VERSIONS[access.protocol]
        for version in versions:
            try:
                return cls._open(access, client_id, version, keepalive_s, will, intake)
            except _VersionError as error:
                if version is versions[-1]:
                    raise BrokerError(
                        f"broker {access}: {error}; check that it speaks MQTT, and mqtt.protocol"
                    ) from error
        raise AssertionError("there is a version to try")

    @classmethod
    def _open(
        cls,
        access: Access,
        client_id: str,
        version: MQTTProtocolVersion,
        keepalive_s: int,
        will: Will | None,
        intake: Intake | None,
    ) -> Connection:
        inbox: _Inbox = queue.SimpleQueue()
        client = _prepared(access, client_id, version, inbox, intake)
        if will:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        try:
            client.connect(
                access.host, access.port, keepalive=keepalive_s, **_resuming(version, intake)
            )
        except (OSError, ValueError) as error:
            raise _unreachable(access, error) from error
        client.loop_start()
        try:
            window = _await_answer(access, inbox)
        except BaseException:
            client.end()
            raise
        if intake and window >= _TAKEN_BY_ALL:
            window = _NO_LIMIT  # the network thread keeps within it, also while the holder is busy
        name = "5" if version is MQTTProtocolVersion.MQTTv5 else "3.1.1"
        return cls(client, inbox, name, window)

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> int:
        """Send with QoS 1; `Delivered` with the returned mid follows, or `Lost`."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def subscribe(self, *topics: str, of_others: bool = False) -> int:
        """Ask for topics with QoS 1; `Subscribed` with the returned mid follows, or `Lost`.

        With MQTT 5 a message counts as retained, too, that was to be retained as it came.

        Args:
            topics: of which to hear.
            of_others: what is said there while we listen, and with MQTT 5 by others alone; nothing
                of that counts as retained.
        """
        asked: list[tuple[str, int]] | list[tuple[str, SubscribeOptions]]
        if self.version == "5":
            options = SubscribeOptions(qos=1, noLocal=of_others, retainAsPublished=not of_others)
            asked = [(topic, options) for topic in topics]
        else:
            asked = [(topic, 1) for topic in topics]
        return self._client.subscribe(asked)[1] or 0

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a message is done with; for connections with an `Intake`."""
        if message.mid:
            self._client.ack(message.mid, 1)

    def next(self, timeout_s: float) -> Event | None:
        """What happened next; None when nothing did in time."""
        try:
            event = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None
        assert not isinstance(event, _Answer)
        return event

    def wake(self) -> None:
        """End a wait in `next`; any thread may call it."""
        self._inbox.put(Woken())

    def close(self) -> None:
        """Say goodbye, so that no will is told, and end; never waits long."""
        self._client.end()

    def abort(self) -> None:
        """End without a goodbye, so that the will is told; never waits long."""
        self._client.cut()


class _VersionError(Exception):
    """The broker does not speak this version."""


class _Client(Client):
    """paho's client, whose end is always heard of.

    paho ends its network thread without a word when it is sent what it cannot decode.
    """

    inbox: _Inbox
    ended: threading.Event
    most: int  # messages in the inbox
    largest: int  # bytes of a payload that is kept
    flooded = False
    end_told = ""  # what the last callback said of the end; the network thread's code says less

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        """Run the network thread; `Lost` goes to the inbox at its end, whatever ends it."""
        reason = "closed"
        try:
            code = super().loop_forever(timeout, retry_first_connection)
            reason = self.end_told or _ENDS.get(code, code.name) if code else reason
        except Exception as error:  # noqa: BLE001 - told as the reason of the loss
            reason = f"not understood: {error!r}"
            code = MQTTErrorCode.MQTT_ERR_PROTOCOL
        finally:
            self.ended.set()
            self.inbox.put(Lost(reason))
        return code

    def end(self) -> None:
        """Disconnect; a broker that does not take the goodbye is cut off."""
        self.disconnect()
        if not self.ended.wait(_GOODBYE_S):
            self.cut()

    def cut(self) -> None:
        """Cut the line."""
        still_open = self.socket()
        if isinstance(still_open, socket.socket):
            with contextlib.suppress(OSError):  # closed this very moment
                still_open.shutdown(socket.SHUT_RDWR)
        self.ended.wait(_GOODBYE_S)


def _prepared(
    access: Access,
    client_id: str,
    version: MQTTProtocolVersion,
    inbox: _Inbox,
    intake: Intake | None,
) -> _Client:
    keeps = intake is not None and intake.kept_s > 0
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if version is MQTTProtocolVersion.MQTTv5 else not keeps,
        userdata=inbox,
        protocol=version,
        reconnect_on_failure=False,
        manual_ack=intake is not None,
    )
    client.inbox, client.ended = inbox, threading.Event()
    client.most = _SPARE * intake.at_once if intake else _BACKLOG
    client.largest = intake.most_bytes if intake else LARGEST
    client.connect_timeout = _REACH_S
    # Without an intake the holder keeps within `window`.
    client.max_inflight_messages_set(_TAKEN_BY_ALL if intake else _NO_LIMIT)
    # Functions, not methods: a cycle would leave the sockets to the garbage collector.
    client.on_connect = _on_connect
    client.on_disconnect = _on_disconnect
    client.on_publish = _on_publish
    client.on_subscribe = _on_subscribe
    client.on_message = _on_message
    if access.user:
        client.username_pw_set(access.user, access.password)
    if access.tls:
        _set_tls(client, access)
    return client


def _resuming(version: MQTTProtocolVersion, intake: Intake | None) -> dict[str, Any]:
    """What MQTT 5 says of an intake when it connects."""
    if intake is None or version is not MQTTProtocolVersion.MQTTv5:
        return {}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = intake.at_once
    properties.MaximumPacketSize = intake.most_bytes
    properties.SessionExpiryInterval = intake.kept_s
    return {"clean_start": not intake.kept_s, "properties": properties}


def _set_tls(client: Client, access: Access) -> None:
    certificate, key = _own_certificate(access)
    ca = str(access.ca) if access.ca else None
    try:
        # Without a passphrase, for which OpenSSL would ask on a terminal.
        client.tls_set(ca_certs=ca, certfile=certificate, keyfile=key, keyfile_password="")
    except (OSError, ValueError) as error:
        raise BrokerError(
            f"{access.ca}: is no certificate (PEM) to trust: {error}; see mqtt.ca"
        ) from error


def _own_certificate(access: Access) -> tuple[str | None, str | None]:
    """The files to enter with, certificate and key, where they are what they must be."""
    if access.certificate is None:
        return None, None
    own, key = str(access.certificate), str(access.key or access.certificate)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(own, key, password="")
    except (OSError, ValueError) as error:
        raise BrokerError(
            f"{own}: is no certificate (PEM) with its key: {error}; "
            "see mqtt.certificate and mqtt.key"
        ) from error
    return own, key


def _await_answer(access: Access, inbox: _Inbox) -> int:
    try:
        answer = inbox.get(timeout=_ANSWER_S)
    except queue.Empty as error:
        raise _VersionError("does not answer") from error
    if not isinstance(answer, _Answer):
        raise _VersionError("hangs up")
    if answer.reason.value == _WRONG_VERSION:
        raise _VersionError("does not know this version of MQTT")
    if answer.reason.is_failure:
        denied = answer.reason.value in _ENTRY_DENIED
        mend = "check mqtt.user and mqtt.password_file" if denied else "see its log"
        raise BrokerError(f"broker {access}: refuses: {answer.reason}; {mend}")
    return answer.window


def _unreachable(access: Access, error: Exception) -> BrokerError:
    reason = getattr(error, "strerror", None) or str(error)
    mend = "check that a broker runs there and that the network lets it through"
    if "not yet valid" in str(error):
        mend = "set the clock of this machine, see timedatectl, or wait until it is"
    elif "CERTIFICATE_VERIFY_FAILED" in str(error):
        mend = "set mqtt.ca to the certificate of its issuer"
    return BrokerError(f"broker {access}: cannot be reached: {reason}; {mend}")


def _on_connect(
    _client: Client,
    inbox: _Inbox,
    _flags: ConnectFlags,
    reason: ReasonCode,
    properties: Properties | None,
) -> None:
    inbox.put(_Answer(reason, getattr(properties, "ReceiveMaximum", _NO_LIMIT)))


def _on_disconnect(
    client: Client,
    _inbox: _Inbox,
    flags: DisconnectFlags,
    reason: ReasonCode,
    _properties: Properties | None,
) -> None:
    assert isinstance(client, _Client)
    if flags.is_disconnect_packet_from_server:
        client.end_told = f"the broker ends it: {reason}"
    elif reason.value == _KEEPALIVE_TIMEOUT:
        client.end_told = _SILENT


def _on_publish(
    _client: Client, inbox: _Inbox, mid: int, reason: ReasonCode, _properties: Properties
) -> None:
    inbox.put(Delivered(mid, str(reason) if reason.is_failure else None))


def _on_subscribe(
    _client: Client, inbox: _Inbox, mid: int, reasons: list[ReasonCode], _properties: Properties
) -> None:
    refused = [str(reason) for reason in reasons if reason.is_failure]
    inbox.put(Subscribed(mid, refused[0] if refused else None))


def _on_message(client: Client, inbox: _Inbox, message: MQTTMessage) -> None:
    assert isinstance(client, _Client)
    if inbox.qsize() < client.most:
        payload = bytes(message.payload[: client.largest + 1])
        mid = message.mid if message.qos else 0
        inbox.put(Message(message.topic, payload, message.retain, mid))
    elif not client.flooded:
        client.flooded = True
        _log.warning("messages come faster than they can be taken in; some are dropped")
