"""WebSocket's two ends for the comparison: a server that echoes, and clients that say the next thing when they have heard
the last one.

Of RFC 6455 only what the comparison needs: one binary message of 64 bytes in one frame, and no closing handshake. A
library would spend most of the core that both ends share on what is not being measured.
"""

import base64
import json
import os
import selectors
import socket
import statistics
import sys
import time

PAYLOAD = b"w" * 64
# FIN and binary; the client's frame is masked with 0, which leaves the payload as it is.
ASKED = bytes([0x82, 0x80 | len(PAYLOAD), 0, 0, 0, 0]) + PAYLOAD
ECHOED = bytes([0x82, len(PAYLOAD)]) + PAYLOAD
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def main() -> int:
    if sys.argv[1] == "server":
        serve(int(sys.argv[2]))
    else:
        print(json.dumps(talk(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
    return 0


def serve(port: int):
    """Until it is killed."""
    import hashlib

    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ, [b"", False])
                continue
            connection, state = key.fileobj, key.data
            try:
                data = connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                selector.unregister(connection)
                connection.close()
                continue
            state[0] += data
            if not state[1]:
                head, end, rest = state[0].partition(b"\r\n\r\n")
                if not end:
                    continue
                lines = [line.partition(b":") for line in head.split(b"\r\n")]
                name = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
                accept = base64.b64encode(hashlib.sha1(name + GUID).digest())
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                                   b"sec-websocket-accept: " + accept + b"\r\n\r\n")  # fmt: skip
                state[:] = [rest, True]
            while len(state[0]) >= len(ASKED):
                state[0] = state[0][len(ASKED) :]
                connection.sendall(ECHOED)


def talk(port: int, connections: int, seconds: float) -> dict:
    """How many messages came back within `seconds`, and how long they took, in milliseconds."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        selector.register(opened(port), selectors.EVENT_READ, [b"", time.perf_counter()])
    for key in list(selector.get_map().values()):
        key.data[1] = time.perf_counter()
        key.fileobj.sendall(ASKED)
    taken, errors, end = [], 0, time.perf_counter() + seconds
    while (now := time.perf_counter()) < end and selector.get_map():
        for key, _ in selector.select(timeout=end - now):
            state = key.data
            data = key.fileobj.recv(65536)
            if not data or not ECHOED.startswith((state[0] + data)[: len(ECHOED)]):
                errors += 1
                selector.unregister(key.fileobj)
                continue
            state[0] += data
            if len(state[0]) >= len(ECHOED):
                now = time.perf_counter()
                taken.append((now - state[1]) * 1e3)
                state[:] = [b"", now]
                key.fileobj.sendall(ASKED)
    quantiles = statistics.quantiles(taken, n=100) if len(taken) > 1 else [float("nan")] * 99
    return {"messages": len(taken), "errors": errors, "p50": quantiles[49], "p99": quantiles[98]}


def opened(port: int) -> socket.socket:
    """A connection on which the upgrade is through."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16))
    connection.sendall(b"GET /echo HTTP/1.1\r\nhost: service.test\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                       b"sec-websocket-version: 13\r\nsec-websocket-key: " + key + b"\r\n\r\n")  # fmt: skip
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(4096)
        if not data:
            raise SystemExit("websocket: the connection was closed before the upgrade")
        answer += data
    if not answer.startswith(b"HTTP/1.1 101"):
        raise SystemExit(f"websocket: no upgrade: {answer[:200]!r}")
    return connection


if __name__ == "__main__":
    sys.exit(main())
