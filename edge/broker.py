"""An MQTT broker inside this process, for the demo and for tests.

It listens on this machine only, keeps nothing on disk and speaks MQTT 3.1.1; a site runs a
broker of its own. It lives in a thread with an event loop of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from edge.errors import BrokerError

if TYPE_CHECKING:
    from amqtt.broker import Broker

_HOST = "127.0.0.1"
_START_S = 10.0
_STOP_S = 2.0
_LINGER_S = 0.05
_PLUGINS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


class EmbeddedBroker:
    """A broker that serves from `start` to `stop`, or as long as a `with` block."""

    def __init__(self, port: int | None = None) -> None:
        """Prepare a broker for `port`; without it a free one is chosen at the start."""
        self._port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._enough: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """Where it listens, or will after a stop."""
        assert self._port is not None, "it has not been started"
        return self._port

    @property
    def url(self) -> str:
        """Its address, as `[mqtt] url` takes it."""
        return f"mqtt://{_HOST}:{self.port}"

    def start(self) -> None:
        """Begin to serve; returns when clients can connect.

        Raises:
            BrokerError: the package is missing or the port is taken.
        """
        try:
            import amqtt.broker  # noqa: F401, PLC0415 - only the demo has this package
        except ImportError as error:
            raise BrokerError(
                "the embedded broker needs amqtt; run: pip install 'headcount[demo]'"
            ) from error
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="embedded-broker", daemon=True
        )
        self._thread.start()
        try:
            started.result(_START_S)
        except Exception as error:
            raise BrokerError(
                f"the embedded broker cannot listen on port {self._port}: {error}; is it taken?"
            ) from error

    def stop(self) -> None:
        """Cut all clients off and end; what was retained is forgotten."""
        if self._thread is None or self._loop is None or self._enough is None:
            return
        self._loop.call_soon_threadsafe(self._enough.set)
        self._thread.join(2 * _STOP_S)
        self._thread = None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, started: Future[None]) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: Future[None]) -> None:
        from amqtt.broker import Broker  # noqa: PLC0415

        self._loop, self._enough = asyncio.get_running_loop(), asyncio.Event()
        listener = {"type": "external", "bind": _HOST}
        broker = Broker({"listeners": {"default": listener}, "plugins": dict(_PLUGINS)})
        clients = _Clients(broker)
        try:
            await broker.start()
            server = await asyncio.start_server(clients.serve, _HOST, self._port or 0)
        except Exception as error:  # noqa: BLE001 - told to the caller of start
            started.set_exception(error)
            return
        self._port = server.sockets[0].getsockname()[1]
        started.set_result(None)
        await self._enough.wait()
        server.close()
        clients.cut_off()
        await _shut_down(broker)


class _Clients:
    """Hands connections to the broker and keeps hold of them, for it lets some go unclosed."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it goes."""
        from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # noqa: PLC0415

        self._writers.add(writer)
        try:
            await self._broker.external_connected(
                StreamReaderAdapter(reader), StreamWriterAdapter(writer), "default"
            )
        except Exception:  # a client that breaks off at a bad moment
            logging.getLogger(__name__).debug("client lost", exc_info=True)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    def cut_off(self) -> None:
        """Cut everybody off at once."""
        for writer in self._writers:
            writer.transport.abort()


async def _shut_down(broker: Broker) -> None:
    await asyncio.sleep(_LINGER_S)  # the clients' ends are noticed
    try:
        await asyncio.wait_for(broker.shutdown(), _STOP_S)
    except Exception:  # a broker that dies untidily is as gone as any
        logging.getLogger(__name__).debug("untidy end", exc_info=True)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await asyncio.sleep(_LINGER_S)  # the sockets close
