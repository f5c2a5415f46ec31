"""The gRPC service behind the proxies: answers any unary call with the message that it was sent.

On grpcio, without a schema: what is compared is the proxy in between, which knows no schema either.
"""

import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    """Every method of every service."""

    def service(self, _):
        return grpc.unary_unary_rpc_method_handler(lambda message, _: message)


def main():
    # One thread: more of them would only take turns at the interpreter.
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Echo()])
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
