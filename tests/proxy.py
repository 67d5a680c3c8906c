"""A slow line to a database server, that counts how often its client had to wait for an answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

from sqlalchemy import make_url

Chunk = tuple[float, bytes]
"""When it is to be delivered, and what; empty where the other side has closed."""


class SlowLine:
    """Carries all connections to a server, every byte late by `delay_seconds`, in both directions.

    A *flight* is a row of bytes from the client that begins after it got an answer to those before: one wait of the
    client, if it waits at all. `flights` counts them on all connections together.
    """

    def __init__(self, server: tuple[str, int], delay_seconds: float) -> None:
        self.flights = 0
        self._server = server
        self._delay = delay_seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def round_trip_seconds(self) -> float:
        """How long a client waits for an answer at the least."""
        return 2 * self._delay

    def close(self) -> None:
        """Cut all connections."""
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, server]
                answered = threading.Event()
                answered.set()
                self._carry(client, server, answered, asking=True)
                self._carry(server, client, answered, asking=False)

    def _carry(self, source: socket.socket, target: socket.socket, answered: threading.Event, *, asking: bool) -> None:
        line: SimpleQueue[Chunk] = SimpleQueue()

        def take() -> None:
            data = b"first"
            while data:
                try:
                    data = source.recv(1 << 16)
                except OSError:
                    data = b""
                if asking and data and answered.is_set():
                    answered.clear()
                    self.flights += 1
                line.put((time.monotonic() + self._delay, data))

        def give() -> None:
            with suppress(OSError):
                while True:
                    due, data = line.get()
                    if not data:
                        target.shutdown(socket.SHUT_WR)
                        return
                    time.sleep(max(0.0, due - time.monotonic()))
                    if not asking:
                        answered.set()
                    target.sendall(data)

        for work in (take, give):
            thread = threading.Thread(target=work)
            self._threads.append(thread)
            thread.start()


@contextmanager
def slow_line(url: str, delay_seconds: float) -> Iterator[tuple[str, SlowLine]]:
    """A line to the server of a URL, and the URL that leads through it."""
    parsed = make_url(url)
    line = SlowLine((parsed.host or "127.0.0.1", parsed.port or 0), delay_seconds)
    try:
        through = parsed.set(host="127.0.0.1", port=line.port)
        yield through.render_as_string(hide_password=False), line
    finally:
        line.close()
