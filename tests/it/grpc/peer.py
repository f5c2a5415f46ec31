"""Both ends of gRPC, for the tests beside this file. Messages are plain bytes, so that no code has to be generated.

    peer.py serve [STATUS]                      says where it listens; with STATUS, every unary call ends with that
    peer.py serve-tls CERTIFICATE KEY           the same over TLS, with these files
    peer.py talk ADDRESS LIMIT [CA]             calls it in every way, and prints a line for each thing that works
    peer.py load ADDRESS COUNT AT-ONCE LIMIT    prints which statuses so many unary calls over one channel ended with
    peer.py call ADDRESS LIMIT [CA]             makes one unary call, and prints its status and message

LIMIT is in seconds. With CA, a file, it is called over TLS and believed by that authority. A server's health is what the last line on its standard input says: a number of `ServingStatus`.
"""

import asyncio
import collections
import json
import os
import sys

import grpc

SERVICE = "/test.Peer/"
TEXT = "100 % ünïcode\tand\nlines"
LARGE = bytes(range(256)) * 4096
# Every byte there is, and not a valid text.
BINARY = bytes(range(256))

health = 1
calls = collections.Counter()


def server_of(status):
    async def unary(request, context):
        asked = dict(context.invocation_metadata())
        if status or "x-status" in asked:
            code = grpc.StatusCode[status or asked["x-status"]]
            await context.abort(code, asked.get("x-message-bin", b"").decode())
        if "x-echo" in asked:
            await context.send_initial_metadata([(name, asked[name]) for name in ("x-echo", "x-echo-bin")])
            context.set_trailing_metadata([("x-after", asked["x-echo"]), ("x-after-bin", asked["x-echo-bin"])])
        return request

    async def many(request, context):
        for n in range(int(request)):
            yield b"%d" % n

    async def collect(requests, context):
        total = b""
        async for request in requests:
            total += request
        return total

    async def echo(requests, context):
        async for request in requests:
            yield request

    async def hang(request, context):
        try:
            yield b"begun"
            await asyncio.sleep(3600)
        except (asyncio.CancelledError, GeneratorExit):
            calls["cancelled"] += 1
            raise

    async def silent(request, context):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            calls["cancelled"] += 1
            raise

    async def break_off(request, context):
        yield b"one"
        yield b"two"
        await context.abort(grpc.StatusCode.DATA_LOSS, "broken off")

    async def cancelled(request, context):
        return b"%d" % calls["cancelled"]

    async def check(request, context):
        return b"\x08" + bytes([health])

    return {
        SERVICE + "Unary": grpc.unary_unary_rpc_method_handler(unary),
        SERVICE + "Many": grpc.unary_stream_rpc_method_handler(many),
        SERVICE + "Collect": grpc.stream_unary_rpc_method_handler(collect),
        SERVICE + "Echo": grpc.stream_stream_rpc_method_handler(echo),
        SERVICE + "Hang": grpc.unary_stream_rpc_method_handler(hang),
        SERVICE + "Silent": grpc.unary_unary_rpc_method_handler(silent),
        SERVICE + "BreakOff": grpc.unary_stream_rpc_method_handler(break_off),
        SERVICE + "Cancelled": grpc.unary_unary_rpc_method_handler(cancelled),
        "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(check),
    }


class Methods(grpc.GenericRpcHandler):
    def __init__(self, methods):
        self.methods = methods

    def service(self, details):
        return self.methods.get(details.method)


OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0), ("grpc.so_reuseport", 0)]


def content(path):
    with open(path, "rb") as file:
        return file.read()


async def serve_tls(certificate, key):
    await serve(credentials=grpc.ssl_server_credentials([(content(key), content(certificate))]))


async def serve(status=None, credentials=None):
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers([Methods(server_of(status))])
    anywhere = "127.0.0.1:0"
    port = server.add_secure_port(anywhere, credentials) if credentials else server.add_insecure_port(anywhere)
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin, learn)
    await server.wait_for_termination()


def learn():
    global health
    line = sys.stdin.readline()
    if not line:
        os._exit(0)  # Whoever started this is gone.
    health = int(line)


async def status_of(call):
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details()
    return "OK", None


def channel_to(address, ca=None):
    if ca is None:
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(content(ca)), options=OPTIONS)


class Talk:
    def __init__(self, channel):
        self.channel = channel

    def unary(self, request=b"", method="Unary", **how):
        return self.channel.unary_unary(SERVICE + method)(request, **how)

    async def unary_calls(self):
        for request in (b"", b"hello", LARGE):
            assert await self.unary(request) == request

    async def server_streaming(self):
        answers = [answer async for answer in self.channel.unary_stream(SERVICE + "Many")(b"1000")]
        assert answers == [b"%d" % n for n in range(1000)]
        assert [answer async for answer in self.channel.unary_stream(SERVICE + "Many")(b"0")] == []

    async def client_streaming(self):
        requests = [b"%d " % n for n in range(1000)]
        assert await self.channel.stream_unary(SERVICE + "Collect")(iter(requests)) == b"".join(requests)

    async def streaming_both_ways(self):
        call = self.channel.stream_stream(SERVICE + "Echo")()
        # Each answer before the next request: nothing may be held back until there is more of it.
        for n in range(300):
            await call.write(b"%d" % n)
            assert await call.read() == b"%d" % n
        await call.write(LARGE)
        assert await call.read() == LARGE
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK

    async def metadata(self):
        call = self.unary(metadata=[("x-echo", "a, b"), ("x-echo-bin", BINARY)])
        before, after = dict(await call.initial_metadata()), dict(await call.trailing_metadata())
        assert (before["x-echo"], before["x-echo-bin"]) == ("a, b", BINARY), before
        assert (after["x-after"], after["x-after-bin"]) == ("a, b", BINARY), after

    async def statuses(self):
        for code in grpc.StatusCode:
            if code != grpc.StatusCode.OK:
                asked = [("x-status", code.name), ("x-message-bin", TEXT.encode())]
                assert await status_of(self.unary(metadata=asked)) == (code.name, TEXT), code
        code, _ = await status_of(self.unary(method="Nowhere"))
        assert code == "UNIMPLEMENTED", code
        call, seen = self.channel.unary_stream(SERVICE + "BreakOff")(b""), []
        try:
            async for answer in call:
                seen.append(answer)
        except grpc.aio.AioRpcError:
            pass
        assert (seen, await call.code()) == ([b"one", b"two"], grpc.StatusCode.DATA_LOSS)
        assert await call.details() == "broken off"

    async def deadline(self):
        call = self.channel.unary_stream(SERVICE + "Hang")(b"", timeout=0.5)
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        await self.sees_cancelled(1)

    async def cancellation(self):
        call = self.channel.unary_stream(SERVICE + "Hang")(b"")
        assert await call.read() == b"begun"
        call.cancel()
        await self.sees_cancelled(2)

    async def sees_cancelled(self, count):
        while int(await self.unary(method="Cancelled")) < count:
            await asyncio.sleep(0.01)


async def talk(address, limit, ca=None):
    async with asyncio.timeout(float(limit)), channel_to(address, ca) as channel:
        talking = Talk(channel)
        for what in (
            talking.unary_calls,
            talking.server_streaming,
            talking.client_streaming,
            talking.streaming_both_ways,
            talking.metadata,
            talking.statuses,
            talking.deadline,
            talking.cancellation,
        ):
            await what()
            print(what.__name__.replace("_", " "), flush=True)


async def load(address, count, at_once, limit):
    ended, left = collections.Counter(), iter(range(int(count)))
    async with asyncio.timeout(float(limit)), channel_to(address) as channel:
        unary = channel.unary_unary(SERVICE + "Unary")

        async def caller():
            for n in left:
                try:
                    ended["OK" if await unary(b"%d" % n) == b"%d" % n else "wrong answer"] += 1
                except grpc.aio.AioRpcError as error:
                    ended[error.code().name] += 1

        await asyncio.gather(*(caller() for _ in range(int(at_once))))
    print(json.dumps(ended), flush=True)


async def call(address, limit, ca=None):
    async with asyncio.timeout(float(limit)), channel_to(address, ca) as channel:
        code, message = await status_of(channel.unary_unary(SERVICE + "Unary")(b"hello"))
        print(code, message, flush=True)


role, *arguments = sys.argv[1:]
roles = {"serve": serve, "serve-tls": serve_tls, "talk": talk, "load": load, "call": call}
asyncio.run(roles[role](*arguments))
