"""Simulators of cameras: what OpenCV reads from, and a network camera that speaks RTSP."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.types import Image


class FakeCapture:
    """A camera in OpenCV's terms: gives a picture for each `shutter()`, then `end()` or silence.

    The picture's first pixel is its number, from 0 to 255 and again.
    """

    def __init__(self, fps: float = 12.0) -> None:
        self.released = False
        self._fps = fps
        self._pictures = threading.Semaphore(0)
        self._ends = False
        self._count = 0
        self._waiting = threading.Semaphore(0)  # the reader asks for a picture

    def shutter(self, times: int = 1) -> None:
        """Take pictures; the reader has dealt with them all when this returns."""
        for _ in range(times):
            assert self._waiting.acquire(timeout=5)
            self._pictures.release()
        assert self._waiting.acquire(timeout=5)  # it asks again, so it has put the last one down
        self._waiting.release()

    def end(self) -> None:
        """Be unplugged."""
        self._ends = True
        self._pictures.release()

    def read(self) -> tuple[bool, Image | None]:
        self._waiting.release()
        self._pictures.acquire()
        if self._ends:
            return False, None
        image = np.full((48, 64, 3), self._count % 256, np.uint8)
        self._count += 1
        return True, image

    def get(self, prop: int) -> float:
        return self._fps if prop == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.released = True


class FastCamera:
    """A camera in OpenCV's terms that gives grey pictures at its rate, in real time.

    `given` counts them. Pictures that nobody reads in time are not made up for.
    """

    def __init__(self, fps: float, size: tuple[int, int] = (320, 240)) -> None:
        self.given = 0
        self._fps = fps
        self._image = np.full((size[1], size[0], 3), 127, np.uint8)
        self._due = time.monotonic()

    def read(self) -> tuple[bool, Image | None]:
        self._due = max(self._due + 1 / self._fps, time.monotonic())
        time.sleep(max(self._due - time.monotonic(), 0))
        self.given += 1
        return True, self._image

    def get(self, prop: int) -> float:
        return self._fps if prop == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        """Nothing is held."""


class _Session(socketserver.StreamRequestHandler):
    """One client: RTSP 1.0 over TCP, MPEG-TS over RTP between the answers."""

    server: RtspCamera

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while request := self._request():
                method, url, number = request
                self._answer(method, url, number)
                if method == "PLAY":
                    self._play()
                    return

    def _request(self) -> tuple[str, str, str] | None:
        lines = []
        while (line := self.rfile.readline().decode().strip()) or not lines:
            if not line:
                return None
            lines.append(line)
        headers = dict(line.split(": ", 1) for line in lines[1:])
        method, url, _ = lines[0].split(" ")
        return method, url, headers.get("CSeq", "0")

    def _answer(self, method: str, url: str, number: str) -> None:
        head, body = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n", ""
        if method == "OPTIONS":
            head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        if method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=door\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 33\r\na=control:track0\r\n"
            )
            head += f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\n"
            head += f"Content-Length: {len(body)}\r\n"
        if method == "SETUP":
            head += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        self.wfile.write(f"{head}\r\n{body}".encode())

    def _play(self) -> None:
        """Send the stream once, evenly over its length, then fall silent or hang up."""
        content, size = self.server.stream, 7 * 188
        parts = [content[start : start + size] for start in range(0, len(content), size)]
        for number, part in enumerate(parts):
            moment = int(90_000 * self.server.seconds * number / len(parts))
            rtp = struct.pack("!BBHII", 0x80, 33, number & 0xFFFF, moment, 1) + part
            self.wfile.write(b"$\x00" + struct.pack("!H", len(rtp)) + rtp)
            time.sleep(self.server.seconds / len(parts))
        if not self.server.hangs_up:
            self.server.stopped.wait(20)


class RtspCamera(socketserver.ThreadingTCPServer):
    """A network camera on a free port."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, stream: bytes, seconds: float, *, hangs_up: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.stream = stream
        self.seconds = seconds
        self.hangs_up = hangs_up
        self.stopped = threading.Event()

    @property
    def uri(self) -> str:
        return f"rtsp://anna:secret@127.0.0.1:{self.server_address[1]}/door"

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
        super().shutdown_request(request)


@contextlib.contextmanager
def rtsp_camera(folder: Path, *, hangs_up: bool = False) -> Iterator[RtspCamera]:
    """A camera that sends 1.5 seconds of grey getting lighter, then falls silent or hangs up."""
    path = folder / "stream.ts"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mpg1"), 25, (64, 48))
    for index in range(75):
        writer.write(np.full((48, 64, 3), 3 * index, np.uint8))
    writer.release()
    camera = RtspCamera(path.read_bytes(), 1.5, hangs_up=hangs_up)
    thread = threading.Thread(target=camera.serve_forever, daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.stopped.set()
        camera.shutdown()
        camera.server_close()
        thread.join()
