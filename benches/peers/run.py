#!/usr/bin/env python3
"""Serin beside the proxies that are installed here: CPU a request, latency, memory, system calls.

The proxy has one core to itself; the backend and the load generator share another. So the throughput says little about
the proxy (its neighbours run out first), and CPU a request is the figure that counts: the proxy's own user and system
time, divided by the requests it served. Machines are noisy, so the proxies take turns in every round, the tables show
medians over the rounds, and the ratio to HAProxy's TCP mode is taken within each round.

Needs Python 3.11, taskset, nginx (the backend) and wrk; peers that are missing are skipped, and said so.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import measure
import protocols
import proxies
from measure import Failed, Process

REFERENCE = "HAProxy, TCP mode"
ROWS = [("64 connections, 64-byte response", "/", 64), ("512 connections, 64-byte response", "/", 512),
        ("64 connections, 10 KiB response", "/large", 64)]  # fmt: skip
IDLE_CONNECTIONS = 2_000

BACKEND = """
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid {directory}/backend.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {directory}/b1; proxy_temp_path {directory}/b2; fastcgi_temp_path {directory}/b3;
    uwsgi_temp_path {directory}/b4; scgi_temp_path {directory}/b5;
    server {{
        listen 127.0.0.1:{backend} backlog=4096;
        listen 127.0.0.1:{second_backend} backlog=4096;
        location / {{ return 200 "{small}"; }}
        # A parameter may not be longer than 4 KiB.
        location /large {{ set $quarter "{quarter}"; return 200 "$quarter$quarter$quarter$quarter"; }}
    }}
}}
"""


def main() -> int:
    options = arguments()
    try:
        return compare_protocols(options) if options.protocols else compare(options)
    except Failed as failed:
        print(f"peers: {failed}", file=sys.stderr)
        return 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--serin", default=str(root / "target/release/serin"), help="the binary to measure")
    parser.add_argument("--other-build", metavar="SERIN", help="another build of Serin, to compare the first one with (HTTP/1.1)")
    parser.add_argument("--envoy", help="Envoy's binary when it is not on PATH")
    parser.add_argument("--rounds", type=int, help="rounds of each row (default 5, 2 with --quick)")
    parser.add_argument("--seconds", type=float, help="seconds a run (default 2, 1 with --quick)")
    parser.add_argument("--only", help="a comma-separated part of the proxies, by the beginnings of their names")
    parser.add_argument("--quick", action="store_true", help="less than a minute, and less to be trusted")
    parser.add_argument("--protocols", action="store_true", help="HTTP/2, gRPC, TLS 1.3 and WebSocket instead of HTTP/1.1")
    parser.add_argument("--json", type=Path, help="also write every number of every round here")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    # wrk counts in whole seconds.
    options.seconds = max(1, round(options.seconds or (1 if options.quick else 2)))
    return options


def compare(options: argparse.Namespace) -> int:
    near, far = cores()
    found, missing = proxies.found(options.serin, options.envoy, options.other_build)
    for line in missing:
        say(line)
    found = chosen(found, options)

    with tempfile.TemporaryDirectory(prefix="serin-peers-") as directory, contextlib.ExitStack() as stack:
        work = Path(directory)
        # nginx drops to another user when it is started by root, and looks into its directory then.
        work.chmod(0o755)
        backend, second_backend, *ports = measure.free_ports(2 + len(found))
        values = {"directory": directory, "backend": backend, "second_backend": second_backend}
        file = work / "backend.conf"
        file.write_text(BACKEND.format(small="s" * 64, quarter="l" * 2_560, **values))
        argv = [proxies.which("nginx"), "-c", str(file), "-p", directory, "-e", "stderr"]
        service = stack.enter_context(Process(argv, far, work / "backend.log"))
        service.until_ready(backend)

        bench = Bench(options, work, values, near, far, dict(zip((p.name for p in found), ports)))
        footprints = {proxy.name: bench.footprint(proxy) for proxy in found}
        runs = bench.rounds(found)
    print(report(found, runs, footprints, options))
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "footprints": footprints}, indent=1))
    return 1 if any(run["errors"] for run in runs) else 0


def cores() -> tuple[int, int]:
    """The proxy's core, and the one of everybody else; this process moves to the second."""
    for tool, reason in [("wrk", "it makes the load"), ("nginx", "it is the backend"), ("taskset", "it pins")]:
        if proxies.which(tool) is None:
            raise Failed(f"`{tool}` is not installed and {reason}: apt-get install wrk nginx-light util-linux")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failed("one core is not enough: the proxy needs one to itself")
    busy = os.getloadavg()[0]
    if busy > 0.5:
        say(f"the machine is busy (load {busy:.1f}): wait until it is idle, or trust the ratios alone, and those little")
    measure.raise_open_files()
    os.sched_setaffinity(0, {cores[0]})
    return cores[-1], cores[0]


def chosen(found: list[proxies.Proxy], options) -> list[proxies.Proxy]:
    """Those of the proxies that are asked for."""
    if options.only:
        wanted = tuple(part.strip().lower() for part in options.only.split(","))
        found = [proxy for proxy in found if proxy.name.lower().startswith(wanted)]
    if not found:
        raise Failed("none of the proxies is here; build Serin with `cargo build --release`")
    return found


def compare_protocols(options: argparse.Namespace) -> int:
    near, far = cores()
    rows, gaps = protocols.rows()
    found, missing = proxies.found(options.serin, options.envoy)
    for line in gaps + missing:
        say(line)
    # HAProxy's TCP mode would carry the bytes without a look at them.
    found = [dataclasses.replace(proxy, name=proxy.name.partition(",")[0]) for proxy in found if "TCP" not in proxy.name]
    found = chosen(found, options)
    runs, idle = [], {}
    with tempfile.TemporaryDirectory(prefix="serin-peers-") as directory, contextlib.ExitStack() as stack:
        work = Path(directory)
        work.chmod(0o755)
        protocols.certificate(work)
        names = ("http_backend", "second_backend", "grpc_backend", "websocket_backend")
        ports = measure.free_ports(len(names) + len(found))
        values = dict(zip(names, ports))
        file = work / "backend.conf"
        file.write_text(BACKEND.format(small="s" * 64, quarter="l" * 2_560, directory=directory,
                                       backend=values["http_backend"], second_backend=values["second_backend"]))  # fmt: skip
        here, python = str(protocols.HERE), protocols.python_with_grpc()
        services = [("http_backend", [proxies.which("nginx"), "-c", str(file), "-p", directory, "-e", "stderr"]),
                    ("websocket_backend", [sys.executable, f"{here}/websocket.py", "server", str(values["websocket_backend"])])]  # fmt: skip
        if python:
            services.append(("grpc_backend", [python, f"{here}/echo.py", str(values["grpc_backend"])]))
        for name, argv in services:
            stack.enter_context(Process(argv, far, work / f"{name}.log")).until_open(values[name])
        loads = protocols.Loads(far, work)
        for row in rows:
            say(row.name)
            with contextlib.ExitStack() as started:
                one = {}
                for proxy, port in zip(found, ports[len(names):]):
                    place = work / re.sub(r"\W+", "-", f"{proxy.name} {rows.index(row)}")
                    place.mkdir()
                    config = place / f"config.{proxy.suffix}"
                    config.write_text(protocols.config(proxy.name, row, {**values, "directory": str(place), "port": port}))
                    process = Process(proxy.argv(proxy.binary, str(config)), near, place / "log")
                    one[proxy.name] = (started.enter_context(process), port)
                    process.until_open(port)
                    if row.ask:
                        idle[row.name, proxy.name] = measure.memory_of_idle(process, port, IDLE_CONNECTIONS, row.ask)
                    row.load(loads, port, 1)
                for number in range(options.rounds):
                    for name, (process, port) in one.items() if number % 2 == 0 else reversed(one.items()):
                        before = process.cpu_seconds()
                        load = row.load(loads, port, options.seconds)
                        if load.requests == 0:
                            raise Failed(f"{row.name}: {name} served nothing within {options.seconds} s: {load.errors}")
                        cpu_us = (process.cpu_seconds() - before) * 1e6 / load.requests
                        runs.append({"round": number, "row": row.name, "proxy": name, "cpu_us": cpu_us,
                                     "rate": load.requests_per_second, "p50": load.p50, "p99": load.p99,
                                     "errors": load.errors})  # fmt: skip
                        if load.errors:
                            say(f"  {name}: {load.errors}")
    print("\n".join(preface(found, options)))
    for row in rows:
        print("\n".join(table(runs, row.name, [proxy.name for proxy in found], protocols.REFERENCE, row.unit, row.latencies)))
    for row in [row for row in rows if row.ask]:
        print(f"An idle connection of {row.name.partition(' ')[0]}, of {IDLE_CONNECTIONS}: "
              + ", ".join(f"{p.name} {idle[row.name, p.name] / 1024:.1f} KiB" for p in found) + ".")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps({"runs": runs}, indent=1))
    return 1 if any(run["errors"] for run in runs) else 0


class Bench:
    """The runs, with all that they share."""

    def __init__(self, options, work, values, near, far, ports):
        self.options, self.work, self.values, self.near, self.far, self.ports = options, work, values, near, far, ports

    def start(self, proxy: proxies.Proxy) -> Process:
        directory = self.work / re.sub(r"\W+", "-", proxy.name)
        directory.mkdir(exist_ok=True)
        file = directory / f"config.{proxy.suffix}"
        file.write_text(proxy.config({**self.values, "directory": str(directory), "port": self.ports[proxy.name]}))
        return Process(proxy.argv(proxy.binary, str(file)), self.near, directory / "log")

    def load(self, proxy, path, connections, seconds) -> measure.Load:
        return measure.wrk_result(measure.wrk(self.far, self.ports[proxy.name], path, connections, seconds), seconds)

    def footprint(self, proxy: proxies.Proxy) -> dict:
        """Memory, start and system calls: each on a process of its own, since memory once taken is seldom given back."""
        say(f"{proxy.name}: footprint")
        port, result, ready = self.ports[proxy.name], {}, []
        with self.start(proxy) as process:
            ready.append(process.until_ready(port))
            time.sleep(0.2)
            result["idle_rss"] = process.rss()
            result["idle_connection"] = measure.memory_of_idle(process, port, IDLE_CONNECTIONS)
        with self.start(proxy) as process:
            ready.append(process.until_ready(port))
            before = process.rss()
            load, most = measure.wrk(self.far, port, "/", 512, 1), before
            while load.poll() is None:
                most = max(most, process.rss())
                time.sleep(0.05)
            measure.wrk_result(load, 1)
            result["busy_pair"] = (most - before) / 512
        with self.start(proxy) as process:
            ready.append(process.until_ready(port))
            self.load(proxy, "/", 64, 1)
            served = []
            calls = measure.system_calls(process.pids(), self.far, self.work / "strace.txt",
                                         lambda: served.append(self.load(proxy, "/", 64, 1)))  # fmt: skip
            result["system_calls"] = calls / served[0].requests if calls and served[0].requests else None
        result["ready"] = statistics.median(ready)
        return result

    def rounds(self, found: list[proxies.Proxy]) -> list[dict]:
        """Every proxy in turn, in every row of every round; they all live through the whole of it."""
        runs = []
        with contextlib.ExitStack() as stack:
            started = {}
            for proxy in found:
                started[proxy.name] = stack.enter_context(self.start(proxy))
                started[proxy.name].until_ready(self.ports[proxy.name])
                self.load(proxy, "/", 512, 1)
            for number in range(self.options.rounds):
                say(f"round {number + 1} of {self.options.rounds}")
                for row, path, connections in ROWS:
                    # The other way round every other time, so that nobody always follows the same neighbour.
                    for proxy in found if number % 2 == 0 else reversed(found):
                        process = started[proxy.name]
                        before = process.cpu_seconds()
                        load = self.load(proxy, path, connections, self.options.seconds)
                        if load.requests == 0:
                            raise Failed(f"{proxy.name} served nothing within {self.options.seconds} s: {load.errors}")
                        cpu_us = (process.cpu_seconds() - before) * 1e6 / load.requests
                        runs.append({"round": number, "row": row, "proxy": proxy.name, "cpu_us": cpu_us,
                                     "rate": load.requests_per_second, "p50": load.p50, "p99": load.p99,
                                     "errors": load.errors})  # fmt: skip
                        if load.errors:
                            say(f"  {proxy.name}: {load.errors}")
        return runs


def report(found, runs, footprints, options) -> str:
    """The Markdown tables."""
    names = [proxy.name for proxy in found]
    lines = preface(found, options)
    for row, _, _ in ROWS:
        lines += table(runs, row, names, REFERENCE, "request")
        if proxies.OTHER_BUILD in names:
            lines += [f"Serin to the other build: {ratio(runs, row, 'Serin', proxies.OTHER_BUILD)}", ""]
    lines += ["| footprint | idle RSS | an idle client connection | a busy pair, of 512 | system calls/request | start to ready |",
              "|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name in names:
        f = footprints[name]
        calls = "–" if f["system_calls"] is None else f"{f['system_calls']:.2f}"
        lines.append(f"| {name} | {f['idle_rss'] / 2**20:.1f} MiB | {f['idle_connection'] / 1024:.1f} KiB "
                     f"| {f['busy_pair'] / 1024:.1f} KiB | {calls} | {f['ready'] * 1e3:.0f} ms |")  # fmt: skip
    return "\n".join(lines)


def preface(found, options) -> list[str]:
    """On what, of what."""
    return [
        f"{cpu_model()}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}; the proxy pinned to one core, backend and load on another.",
        f"Medians of {options.rounds} interleaved rounds of {options.seconds} s. "
        + ", ".join(sorted({f"{p.name.partition(',')[0]} {p.version}" for p in found})) + ".",
        "",
    ]  # fmt: skip


def table(runs, row: str, names: list[str], reference: str, unit: str, latencies=("p50 ms", "p99 ms")) -> list[str]:
    """One row's proxies."""
    lines = [f"| {row} | CPU µs/{unit} | to {reference.replace(', TCP mode', ' TCP')} (range) | {unit}s/s | {latencies[0]} | {latencies[1]} |",
             "|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name in names:
        mine = [run for run in runs if run["row"] == row and run["proxy"] == name]
        of = lambda key: statistics.median(run[key] for run in mine)  # noqa: E731
        lines.append(f"| {name} | {of('cpu_us'):.2f} | {ratio(runs, row, name, reference)} | {of('rate'):,.0f} "
                     f"| {of('p50'):.2f} | {of('p99'):.2f} |")  # fmt: skip
    return [*lines, ""]


def ratio(runs, row, name, reference) -> str:
    """CPU a request over the reference's in the same round: the median, and the range."""
    cpu = {(run["round"], run["proxy"]): run["cpu_us"] for run in runs if run["row"] == row}
    ratios = sorted(cpu[number, who] / cpu[number, reference]
                    for number, who in cpu if who == name and (number, reference) in cpu)  # fmt: skip
    if not ratios:
        return "–"
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def cpu_model() -> str:
    match = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return match.group(1) if match else platform.machine()


def say(line: str):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
