"""Both ends of a WebSocket, for the test beside this file.

    websocket.py serve            says where it listens, and does what its clients' messages ask for
    websocket.py talk URL LIMIT [CA]
        talks to it, and prints a line for each thing that works; at most LIMIT seconds; over TLS it believes CA, a file
"""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect as connect_with
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

COUNT = 1000
LARGE = 1 << 20

trust = None


def connect(url, **options):
    return connect_with(url, ssl=trust, **options)


async def answer(socket):
    try:
        await answer_all(socket)
    except ConnectionClosed:
        pass  # With a code that is no orderly end to the library; the client checks it.


async def answer_all(socket):
    async for message in socket:
        match message.split(" ", 1) if isinstance(message, str) else ["echo"]:
            case ["close", code]:
                await socket.close(int(code), "as asked")
                return
            case ["drop"]:
                socket.transport.abort()
                return
            case ["ping"]:
                await (await socket.ping(b"from the server"))
                await socket.send("ponged")
            case ["send", count]:
                for n in range(int(count)):
                    await socket.send(f"message {n}")
            case _:
                await socket.send(message)


def refuse(connection, request):
    return connection.respond(403, "not here\n") if request.path == "/refused" else None


async def run_server():
    async with serve(answer, "127.0.0.1", 0, process_request=refuse, max_size=2 * LARGE) as server:
        host, port = server.sockets[0].getsockname()
        print(f"{host}:{port}", flush=True)
        await server.serve_forever()


async def one_by_one(socket):
    for n in range(COUNT):
        message = f"{n}" if n % 2 else n.to_bytes(2, "big") * (n % 300)
        await socket.send(message)
        assert await socket.recv() == message, n


async def at_once(socket):
    """Both sides send all the time, and neither waits for the other."""

    async def send():
        await socket.send(f"send {COUNT}")
        for n in range(COUNT):
            await socket.send(f"echo {n}")

    async def receive():
        messages = [await socket.recv() for _ in range(2 * COUNT)]
        assert [m for m in messages if m.startswith("message")] == [f"message {n}" for n in range(COUNT)]
        assert [m for m in messages if m.startswith("echo")] == [f"echo {n}" for n in range(COUNT)]

    await asyncio.gather(send(), receive())


async def large(socket):
    for n in range(5):
        message = bytes([n]) * LARGE
        await socket.send(message)
        assert await socket.recv() == message, n


async def pings(socket):
    for n in range(50):
        await (await socket.ping(f"{n}"))
    await socket.send("ping")
    assert await socket.recv() == "ponged"


async def closes(url):
    for message, expected in [("close 1000", 1000), ("close 4321", 4321), ("drop", None)]:
        async with connect(url) as socket:
            await socket.send(message)
            try:
                await socket.recv()
                raise AssertionError("it was to be closed")
            except ConnectionClosed as closed:
                got = closed.rcvd.code if closed.rcvd else None
                assert got == expected, (message, closed)
                assert expected is None or closed.rcvd.reason == "as asked", closed


async def refused(url):
    try:
        async with connect(url.replace("/chat", "/refused")):
            raise AssertionError("it was to be refused")
    except InvalidStatus as error:
        assert error.response.status_code == 403, error


async def run_client(url, limit):
    async with asyncio.timeout(limit):
        for what, talk in [
            (f"{COUNT} messages both ways", one_by_one),
            (f"{COUNT} messages at once", at_once),
            ("large messages", large),
            ("ping and pong", pings),
        ]:
            async with connect(url, max_size=2 * LARGE) as socket:
                await talk(socket)
                await socket.close(4000, "done")
                assert socket.close_code == 4000, socket.close_code
            print(what, flush=True)
        await closes(url)
        print("close codes", flush=True)
        await refused(url)
        print("refusal", flush=True)


match sys.argv[1:]:
    case ["serve"]:
        asyncio.run(run_server())
    case ["talk", url, limit, *ca]:
        trust = ssl.create_default_context(cafile=ca[0]) if ca else None
        asyncio.run(run_client(url, float(limit)))
    case _:
        sys.exit(__doc__)
