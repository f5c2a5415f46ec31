"""What is read from the kernel and from the load generator, and the processes that are measured."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

REQUEST = b"GET / HTTP/1.1\r\nHost: service.test\r\n\r\n"


class Failed(Exception):
    """A sentence that tells the person at the terminal what went wrong and what to do."""


@dataclass(frozen=True)
class Load:
    """What one run of the load generator saw. Latencies in milliseconds."""

    requests: int
    requests_per_second: float
    p50: float
    p99: float
    errors: str


class Process:
    """A pinned process and its children, ended when the `with` block is left."""

    def __init__(self, argv: list[str], core: int, log: Path):
        self.argv, self.log = argv, log
        self.began = time.monotonic()
        with log.open("wb") as sink:
            pinned = ["taskset", "-c", str(core), *argv]
            self.child = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True)
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.child.wait()

    def until_ready(self, port: int) -> float:
        """Seconds from the start of the process until it answered a request with 200."""
        deadline = self.began + 10
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                    if ask(connection).startswith(b"HTTP/1.1 200"):
                        return time.monotonic() - self.began
            except OSError:
                pass
            time.sleep(0.001)
        how = "no answer on port" if self.child.poll() is None else "ended before it answered on port"
        tail = self.log.read_text(errors="replace")[-1500:]
        raise Failed(f"{self.argv[0]}: {how} {port}; it said:\n{tail}")

    def until_open(self, port: int):
        """Waits until something listens, whatever it speaks."""
        deadline = self.began + 10
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        tail = self.log.read_text(errors="replace")[-1500:]
        raise Failed(f"{self.argv[0]}: nothing listens on port {port}; it said:\n{tail}")

    def pids(self) -> list[int]:
        """The process and all its descendants."""
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found.extend(int(child) for child in task.read_text().split())
        return found

    def cpu_seconds(self) -> float:
        """User and system time so far, to the nanosecond where the kernel keeps it (`schedstat`), else to a tick."""
        total = 0.0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                try:
                    total += int((task / "schedstat").read_text().split()[0]) / 1e9
                except OSError:
                    after_name = (task / "stat").read_text().rpartition(")")[2].split()
                    total += (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def rss(self) -> int:
        """Resident bytes, of all its processes."""
        return sum(
            int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024
            for pid in self.pids()
        )


def raise_open_files():
    """The soft limit is raised to the hard one, for this process and all that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 20_000:
        raise Failed(f"only {hard} files may be open, 20000 are needed: raise it with `ulimit -Hn 20000`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def ask(connection: socket.socket) -> bytes:
    """Sends one request and reads its whole response."""
    connection.sendall(REQUEST)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length:\s*(\d+)", head)
    while length and len(body) < int(length.group(1)):
        body += receive(connection)
    return head


def ask_over_http2(connection: socket.socket):
    """Sends one request over HTTP/2 and reads its whole response (RFC 9113)."""
    settings, headers, end_stream = b"\0\0\0\4\0\0\0\0\0", b"\x82\x86\x84\x41\x01x", 1
    begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings
    connection.sendall(begin + b"\0\0" + bytes([len(headers)]) + b"\1\5\0\0\0\1" + headers)
    come = b""
    while True:
        while len(come) < 9 or len(come) < 9 + int.from_bytes(come[:3]):
            come += receive(connection)
        kind, flags, stream = come[3], come[4], int.from_bytes(come[5:9])
        come = come[9 + int.from_bytes(come[:3]):]
        if kind == 4 and not flags:
            connection.sendall(settings[:4] + b"\1" + settings[5:])
        if stream == 1 and kind in (0, 1) and flags & end_stream:
            return
        if kind in (3, 7):
            raise Failed("the request was not answered over HTTP/2")


def receive(connection: socket.socket) -> bytes:
    """What has come; the end of the connection is an error."""
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("closed in the middle of a response")
    return data


def wrk(
    core: int, port: int, path: str, connections: int, seconds: float, scheme: str = "http"
) -> subprocess.Popen:
    """Starts the load generator: one thread, keep-alive."""
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "5s",
            "--latency", f"{scheme}://127.0.0.1:{port}{path}"]  # fmt: skip
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wrk_result(load: subprocess.Popen, seconds: float) -> Load:
    """Waits for the load generator and reads what it prints."""
    try:
        text, _ = load.communicate(timeout=seconds + 15)
    except subprocess.TimeoutExpired:
        load.kill()
        raise Failed("wrk did not end in time") from None
    requests = re.search(r"(\d+) requests in ", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not requests or not rate:
        raise Failed(f"wrk printed nothing that can be read:\n{text}")
    bad = re.findall(r"(?:Socket errors|Non-2xx).*", text)
    return Load(int(requests.group(1)), float(rate.group(1)), quantile(text, "50%"), quantile(text, "99%"), "; ".join(bad))


def quantile(text: str, name: str) -> float:
    """A latency line of wrk, in milliseconds."""
    match = re.search(rf"^\s*{name}\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
    return float(match.group(1)) * scale[match.group(2)] if match else float("nan")


def system_calls(pids: list[int], core: int, out: Path, run) -> int | None:
    """The system calls that `pids` make while `run()` runs; `None` without strace."""
    if shutil.which("strace") is None:
        return None
    targets = [part for pid in pids for part in ("-p", str(pid))]
    argv = ["taskset", "-c", str(core), "strace", "-c", "-f", "-o", str(out), *targets]
    tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # It says "attached" once for each process.
    for line in tracer.stderr:
        if "attached" in line or "ttach" in line:
            break
    if tracer.poll() is not None:
        return None
    run()
    tracer.send_signal(signal.SIGINT)
    tracer.wait(timeout=10)
    total = re.search(r"^\s*100\.00\s+[\d.]+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total", out.read_text(), re.MULTILINE)
    return int(total.group(1)) if total else None


def memory_of_idle(process: Process, port: int, count: int, ask=ask) -> float:
    """Resident bytes for each of `count` client connections that have done one request and stay open."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as warm:
        ask(warm)
        before = process.rss()
        held = []
        try:
            for _ in range(count):
                connection = socket.create_connection(("127.0.0.1", port), timeout=5)
                held.append(connection)
                ask(connection)
            time.sleep(0.3)
            return (process.rss() - before) / count
        finally:
            for connection in held:
                connection.close()
