"""A door in a network of its own, one cable to a far end, and all that passes through the cable.

namespace of the door                     namespace of the far end
192.0.2.1, its default route  ---cable--- 192.0.2.2: broker, name server, and who listens in
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DOOR, FAR = "192.0.2.1", "192.0.2.2"
_CABLE = "cable"
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_TCP, _UDP, _ICMPV6, _HOP_BY_HOP = 6, 17, 58, 0
# Router and neighbour discovery, and the multicast groups that it needs: the kernel's own.
_DISCOVERY = (133, 134, 135, 136, 143)


# What the far end does to packets of a port while the cable is at fault, in nftables' words.
_RULES = {
    "silence": ("drop", "drop"),
    "nothing comes": ("drop", ""),
    "nothing goes": ("", "drop"),
    "reset": ("reject with tcp reset", ""),
}
UNPLUGGED = "unplugged"
FAULTS = (*_RULES, UNPLUGGED)


@dataclass(frozen=True)
class Networks:
    """Two namespaces and the cable between them."""

    door: str
    far: str

    @staticmethod
    def inside(name: str) -> list[str]:
        """What a command begins with to run in a namespace."""
        return ["ip", "netns", "exec", name]

    @contextlib.contextmanager
    def broken(self, fault: str, port: int) -> Iterator[None]:
        """Have a fault of `FAULTS` between the door and a port of the far end; skip without nft."""
        if fault == UNPLUGGED:
            _ip(f"-n {self.far} link set {_CABLE} down")
        else:
            self._nft(_rules(port, *_RULES[fault]))
        try:
            yield
        finally:
            if fault == UNPLUGGED:
                _ip(f"-n {self.far} link set {_CABLE} up")
            else:
                self._nft("delete table inet faults\n")

    def _nft(self, script: str) -> None:
        program = shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            pytest.skip("no nft on PATH or in /usr/sbin (Debian: nftables)")
        done = subprocess.run(
            [*self.inside(self.far), program, "-f", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"nft cannot be used here: {done.stderr.strip()}")

    @contextlib.contextmanager
    def entered(self, name: str) -> Iterator[None]:
        """Open sockets in a namespace: they stay there; only this thread goes."""
        places = Path("/proc/thread-self/ns/net"), Path("/run/netns") / name
        with places[0].open() as home, places[1].open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())


def _rules(port: int, on_input: str, on_output: str) -> str:
    chains = [("input", f"tcp dport {port}", on_input), ("output", f"tcp sport {port}", on_output)]
    lines = [
        f"chain {hook} {{\n type filter hook {hook} priority 0\n {which} {verdict}\n}}"
        for hook, which, verdict in chains
        if verdict
    ]
    return "table inet faults {\n" + "\n".join(lines) + "\n}\n"


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def two_networks() -> Iterator[Networks]:
    """Make them, or skip; nothing is left afterwards."""
    if shutil.which("ip") is None:
        pytest.skip("no ip on PATH (Debian: iproute2)")
    made = Networks(f"headcount-door-{os.getpid()}", f"headcount-far-{os.getpid()}")
    names = Path("/etc/netns") / made.door
    try:
        _ip(f"netns add {made.door}")
        _ip(f"netns add {made.far}")
        _ip(f"-n {made.door} link add {_CABLE} type veth peer name {_CABLE} netns {made.far}")
        for name, address in ((made.door, DOOR), (made.far, FAR)):
            _ip(f"-n {name} address add {address}/24 dev {_CABLE}")
            _ip(f"-n {name} link set lo up")
            _ip(f"-n {name} link set {_CABLE} up")
        # What is meant for the world goes through the cable, too, and is seen.
        _ip(f"-n {made.door} route add default via {FAR}")
        names.mkdir(parents=True)
        (names / "resolv.conf").write_text(f"nameserver {FAR}\n")
        yield made
    finally:
        shutil.rmtree(names, ignore_errors=True)
        with contextlib.suppress(OSError):
            names.parent.rmdir()
        for name in (made.door, made.far):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(arguments: str) -> None:
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no network namespaces here (needs root): {done.stderr.strip()}")


@dataclass
class Traffic:
    """What a door sent: a line for each kind of packet, and the bytes of each TCP connection."""

    kinds: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)  # names, of name servers
    streams: dict[int, bytes] = field(default_factory=dict)  # port of the door -> bytes


class Wiretap:
    """Keeps every frame that the door sends while it is open."""

    def __init__(self, networks: Networks) -> None:
        self.frames: list[bytes] = []
        with networks.entered(networks.far):
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)
            )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind((_CABLE, _ETH_P_ALL))
        self._socket.settimeout(0.2)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Wiretap:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        counts = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._socket.close()
        assert 0 == struct.unpack("II", counts)[1], "frames were missed"

    def _listen(self) -> None:
        while True:
            try:
                frame, address = self._socket.recvfrom(1 << 17)
            except TimeoutError:
                if self._over.is_set():
                    return
                continue
            if address[2] != socket.PACKET_OUTGOING:
                self.frames.append(frame)

    def traffic(self) -> Traffic:
        """What the frames are; to be asked once it is closed."""
        found = Traffic()
        parts: dict[int, dict[int, bytes]] = {}
        for frame in self.frames:
            kind = struct.unpack_from("!H", frame, 12)[0]
            if kind == 0x0806:
                found.kinds.add("ARP")
            elif kind == 0x86DD:
                found.kinds.add(_ipv6(frame[14:]))
            elif kind == 0x0800:
                found.kinds.add(_ipv4(frame[14:], found, parts))
            else:
                found.kinds.add(f"ethernet {kind:#06x}")
        found.streams = {port: _joined(of_port) for port, of_port in parts.items()}
        return found


def _ipv6(packet: bytes) -> str:
    following, offset = packet[6], 40
    if following == _HOP_BY_HOP:
        following, offset = packet[40], 48 + 8 * packet[41]
    if following == _ICMPV6 and packet[offset] in _DISCOVERY:
        return "IPv6 discovery"
    return f"IPv6 protocol {following} to {socket.inet_ntop(socket.AF_INET6, packet[24:40])}"


def _ipv4(packet: bytes, found: Traffic, parts: dict[int, dict[int, bytes]]) -> str:
    header, length = 4 * (packet[0] & 15), struct.unpack_from("!H", packet, 2)[0]
    protocol, to, body = packet[9], socket.inet_ntoa(packet[16:20]), packet[header:length]
    if protocol not in (_TCP, _UDP):
        return f"IPv4 protocol {protocol} to {to}"
    source, port = struct.unpack_from("!HH", body)
    if protocol == _UDP:
        if port == 53:
            found.asked.add(asked_name(body[8:]))
        return f"UDP {to}:{port}"
    sequence, flags = struct.unpack_from("!I", body, 4)[0], body[13]
    if flags & 2:  # SYN: it takes one number of the sequence
        parts[source] = {-1: struct.pack("!I", sequence + 1 & 0xFFFFFFFF)}
    content = body[4 * (body[12] >> 4) :]
    if content and source in parts:
        begin = struct.unpack("!I", parts[source][-1])[0]
        parts[source][sequence - begin & 0xFFFFFFFF] = content
    return f"TCP {to}:{port}"


def _joined(parts: dict[int, bytes]) -> bytes:
    stream = b""
    for begin, content in sorted(parts.items()):
        if begin >= 0:
            assert begin <= len(stream), "a part of a connection was missed"
            stream += content[len(stream) - begin :]
    return stream


def asked_name(question: bytes) -> str:
    """The name that a message to a name server asks for."""
    labels, offset = [], 12
    while length := question[offset]:
        labels.append(question[offset + 1 : offset + 1 + length].decode())
        offset += 1 + length
    return ".".join(labels)


class NameServer:
    """Says of every name that it is the far end's."""

    def __init__(self, networks: Networks) -> None:
        with networks.entered(networks.far):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((FAR, 53))
        self._socket.settimeout(0.2)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                question, asker = self._socket.recvfrom(512)
                self._socket.sendto(_answer(question), asker)


def _answer(question: bytes) -> bytes:
    end = question.index(0, 12) + 5
    is_ipv4 = struct.unpack_from("!H", question, end - 4)[0] == 1
    answer = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(FAR) if is_ipv4 else b""
    head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_ipv4), 0, 0)
    return head + question[12:end] + answer
