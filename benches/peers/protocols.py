"""The rows for the protocols besides HTTP/1.1 in clear: what each proxy is told, and who makes the load.

HAProxy's TCP mode has no part in these: it would carry the bytes without a look at them. So the ratios are to HAProxy's
HTTP mode, which does the same work as the others.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import measure
import proxies
from measure import Failed, Load

REFERENCE = "HAProxy"
HERE = Path(__file__).resolve().parent
# A gRPC message of 16 bytes, in its frame: not compressed, length.
MESSAGE = b"\0" + (16).to_bytes(4, "big") + b"g" * 16


@dataclass(frozen=True)
class Row:
    """One table: a protocol to the proxy, a protocol behind it, and a load."""

    name: str
    unit: str
    # What fills the gaps in each proxy's config.
    haproxy: dict
    nginx: dict
    envoy: dict
    serin: dict
    # Which of the backends: the key of its port in the values.
    backend: str
    load: Callable[["Loads", int, float], Load]
    # What the two latencies are: h2load prints no quantiles.
    latencies: tuple[str, str] = ("p50 ms", "p99 ms")
    # One request on a fresh connection, after which it is idle: given where that is measured.
    ask: Callable | None = None


HAPROXY = """
global
    nbthread 1
    maxconn 8000
    ssl-default-bind-options ssl-min-ver TLSv1.3
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    timeout tunnel 120s
    option forwardfor
    http-reuse always
frontend web
    bind 127.0.0.1:{port} {bind}
    default_backend service
backend service
    server one 127.0.0.1:{backend} maxconn 8000 {server}
"""

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 120s;
    tcp_nodelay on;
    ssl_protocols TLSv1.3;
    ssl_certificate {directory}/../cert.pem;
    ssl_certificate_key {directory}/../key.pem;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    upstream service {{
        server 127.0.0.1:{backend};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 120s;
    }}
    server {{
        listen 127.0.0.1:{port} {listen};
        location / {{
            {pass}
        }}
    }}
}}
"""
NGINX_HTTP = """proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"""
NGINX_UPGRADE = NGINX_HTTP.replace('Connection "";', "Upgrade $http_upgrade;\n            proxy_set_header Connection upgrade;")

ENVOY = """
static_resources:
  listeners:
    - name: web
      address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                use_remote_address: true
                upgrade_configs: [{{ upgrade_type: websocket }}]
                route_config:
                  virtual_hosts:
                    - name: everyone
                      domains: ["*"]
                      routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: service }} }}]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          {tls}
  clusters:
    - name: service
      type: STATIC
      connect_timeout: 1s
      circuit_breakers: {{ thresholds: [{{ max_connections: 16384, max_pending_requests: 16384, max_requests: 16384 }}] }}
      {upstream}
      load_assignment:
        cluster_name: service
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {backend} }} }} }}
"""
ENVOY_HTTP2 = """typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }"""
ENVOY_TLS = """transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                tls_params: { tls_minimum_protocol_version: TLSv1_3 }
                tls_certificates: [{ certificate_chain: { filename: "CERT" }, private_key: { filename: "KEY" } }]"""

# As in the rows of HTTP/1.1, Serin alone has two versions, a header match, a rollout with two limits and a request id.
SERIN = """
listeners: [{{ name: web, address: "127.0.0.1:{port}"{listener} }}]
admin: {{ address: "127.0.0.1:0" }}
backends:
  - {{ name: stable, version: "1.0.0", endpoints: {{ static: ["127.0.0.1:{backend}"] }}{upstream} }}
  - {{ name: canary, version: "2.0.0", endpoints: {{ static: ["127.0.0.1:{backend}"] }}{upstream} }}
routes:
  - name: service
    rules:
      - name: testers
        matches: [{{ headers: [{{ name: x-canary, value: always }}] }}]
        backendRefs: [{{ name: canary }}]
      - name: everyone
        backendRefs: [{{ name: stable, weight: 90 }}, {{ name: canary, weight: 10 }}]
rollouts:
  - name: service
    rule: service/everyone
    stable: stable
    canary: canary
    rollback:
      - {{ metric: error-rate, max: 5%, window: 1m }}
      - {{ metric: latency-p99, max: 5s, window: 1m }}
store: {{ file: "{directory}" }}
"""


class Loads:
    """Who makes the load, on which core."""

    def __init__(self, core: int, work: Path):
        self.core, self.work = core, work
        self.message = work / "message"
        self.message.write_bytes(MESSAGE)

    def http2(self, port: int, seconds: float) -> Load:
        return self.h2load(port, seconds, ["-c8", "-m8"], "/")

    def grpc(self, port: int, seconds: float) -> Load:
        argv = ["-c8", "-m8", "-d", str(self.message), "-H", "content-type: application/grpc", "-H", "te: trailers"]
        return self.h2load(port, seconds, argv, "/bench.Echo/Say")

    def h2load(self, port: int, seconds: float, argv: list[str], path: str) -> Load:
        argv = ["taskset", "-c", str(self.core), "h2load", "-t1", f"-D{seconds:g}", *argv,
                f"http://127.0.0.1:{port}{path}"]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 20, check=False)
        counts = re.search(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
        if not counts:
            raise Failed(f"h2load printed nothing that can be read:\n{done.stdout}{done.stderr}")
        good, failed, errored = (int(count) for count in counts.groups())
        took = re.search(r"time for request:\s+\S+\s+(\S+?)(us|ms|s)\s+(\S+?)(us|ms|s)", done.stdout)
        scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}
        most, mean = ((float(took[1]) * scale[took[2]], float(took[3]) * scale[took[4]]) if took else (float("nan"),) * 2)
        return Load(good, good / seconds, mean, most, f"{failed} failed, {errored} errored" if failed + errored else "")

    def tls(self, port: int, seconds: float) -> Load:
        return measure.wrk_result(measure.wrk(self.core, port, "/", 64, seconds, scheme="https"), seconds)

    def websocket(self, port: int, seconds: float) -> Load:
        argv = ["taskset", "-c", str(self.core), sys.executable, str(HERE / "websocket.py"), "client", str(port), "64", f"{seconds:g}"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 20, check=False)
        if done.returncode:
            raise Failed(f"the WebSocket clients failed: {done.stderr[-500:]}")
        saw = json.loads(done.stdout)
        errors = f"{saw['errors']} broken" if saw["errors"] else ""
        return Load(saw["messages"], saw["messages"] / seconds, saw["p50"], saw["p99"], errors)


ROWS = [
    Row("HTTP/2 to HTTP/1.1, 8 connections of 8 streams, 64-byte response", "request",
        {"bind": "proto h2", "server": ""}, {"listen": "http2", "pass": NGINX_HTTP}, {"tls": "", "upstream": ""},
        {"listener": "", "upstream": ""}, "http_backend", Loads.http2,
        ("mean ms", "longest ms"), measure.ask_over_http2),
    Row("gRPC, small unary calls over 8 connections of 8 streams", "call",
        {"bind": "proto h2", "server": "proto h2"}, {"listen": "http2", "pass": "grpc_pass grpc://service;"},
        {"tls": "", "upstream": ENVOY_HTTP2}, {"listener": "", "upstream": ", protocol: http2"}, "grpc_backend", Loads.grpc,
        ("mean ms", "longest ms")),
    Row("HTTP/1.1 over TLS 1.3, 64 connections, 64-byte response", "request",
        {"bind": "ssl crt {directory}/../both.pem alpn http/1.1", "server": ""},
        {"listen": "ssl", "pass": NGINX_HTTP}, {"tls": ENVOY_TLS, "upstream": ""},
        {"listener": ', tls: {{ certificateFile: "{directory}/../cert.pem", keyFile: "{directory}/../key.pem" }}',
         "upstream": ""}, "http_backend", Loads.tls),
    Row("WebSocket, 64 connections, an echoed message of 64 bytes", "message",
        {"bind": "", "server": ""}, {"listen": "", "pass": NGINX_UPGRADE}, {"tls": "", "upstream": ""},
        {"listener": "", "upstream": ""}, "websocket_backend", Loads.websocket),
]  # fmt: skip


def config(name: str, row: Row, values: dict) -> str:
    """What the proxy `name` is told for `row`."""
    template, gaps = {"HAProxy": (HAPROXY, row.haproxy), "nginx": (NGINX, row.nginx), "Envoy": (ENVOY, row.envoy),
                      "Serin": (SERIN, row.serin)}[name]  # fmt: skip
    values = {**values, "backend": values[row.backend]}
    if name == "Envoy":
        files = {"CERT": f"{values['directory']}/../cert.pem", "KEY": f"{values['directory']}/../key.pem"}
        gaps = {key: re.sub("CERT|KEY", lambda found: files[found[0]], text) for key, text in gaps.items()}
    else:
        gaps = {key: text.format(**values) if "{directory}" in text else text for key, text in gaps.items()}
    return template.format(**values, **gaps)


def certificate(work: Path):
    """One for 127.0.0.1, signed by itself, with its key; and both in one file, as HAProxy wants them."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(work / "key.pem"), "-out", str(work / "cert.pem")]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"openssl made no certificate: {done.stderr}")
    (work / "both.pem").write_text((work / "cert.pem").read_text() + (work / "key.pem").read_text())
    # nginx reads them as another user when it is started by root.
    for file in ("key.pem", "cert.pem", "both.pem"):
        os.chmod(work / file, 0o644)


def python_with_grpc() -> str | None:
    """A Python that has grpcio: this one, or the one that the tests' peers are installed for."""
    for python in (sys.executable, os.environ.get("SERIN_TEST_PYTHON"), str(HERE.parents[1] / "target/peers/bin/python")):
        if python and Path(python).exists():
            if subprocess.run([python, "-c", "import grpc"], capture_output=True, check=False).returncode == 0:
                return python
    return None


def rows() -> tuple[list[Row], list[str]]:
    """The rows that can be measured here, and a line for each one that cannot."""
    missing = []
    for tool, which in [("h2load", ("HTTP/2", "gRPC")), ("openssl", ("HTTP/1.1 over TLS",))]:
        if proxies.which(tool) is None:
            missing += [(name, f"no `{tool}` here (apt-get install {'nghttp2-client' if tool == 'h2load' else tool})")
                        for name in which]  # fmt: skip
    if python_with_grpc() is None:
        missing.append(("gRPC", "no Python with grpcio here (pip install grpcio)"))
    found = [row for row in ROWS if not row.name.startswith(tuple(name for name, _ in missing) or ("\0",))]
    return found, [f"{name}: {reason}, skipped" for name, reason in missing]
