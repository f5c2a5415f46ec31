"""The proxies that are compared: how each is found, configured and started.

Every one of them gets one thread, no access log, pooled keep-alive connections to the same backend, and as little else
as the job allows. Serin alone runs with everything on: two versions split 90 to 10, a rule that matches a header, a
rollout that judges two limits, forwarded headers and a request id. Where the rows differ in work, Serin does the more.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

# The header work that Serin's defaults do; the peers in HTTP mode add the client's address, the least of it.
HAPROXY = """
global
    nbthread 1
    maxconn 8000
defaults
    mode {mode}
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    {http}
frontend web
    bind 127.0.0.1:{port}
    default_backend service
backend service
    server one 127.0.0.1:{backend} maxconn 8000
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
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    upstream service {{
        server 127.0.0.1:{backend};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 120s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""

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
                route_config:
                  virtual_hosts:
                    - name: everyone
                      domains: ["*"]
                      routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: service }} }}]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
    - name: service
      type: STATIC
      connect_timeout: 1s
      circuit_breakers: {{ thresholds: [{{ max_connections: 16384, max_pending_requests: 16384, max_requests: 16384 }}] }}
      load_assignment:
        cluster_name: service
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {backend} }} }} }}
"""

SERIN = """
listeners: [{{ name: web, address: "127.0.0.1:{port}" }}]
admin: {{ address: "127.0.0.1:0" }}
backends:
  - {{ name: stable, version: "1.0.0", endpoints: {{ static: ["127.0.0.1:{backend}"] }} }}
  - {{ name: canary, version: "2.0.0", endpoints: {{ static: ["127.0.0.1:{second_backend}"] }} }}
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


@dataclass(frozen=True)
class Proxy:
    """One row of the tables."""

    name: str
    binary: str
    version: str
    config: Callable[[dict], str]
    suffix: str
    argv: Callable[[str, str], list[str]]


OTHER_BUILD = "Serin, other build"


def found(serin: str, envoy: str | None, other_build: str | None = None) -> tuple[list[Proxy], list[str]]:
    """The proxies that are installed, HAProxy's TCP mode first, and a line for each one that is not."""
    proxies, missing = [], []

    def add(names_and_configs, binary, version_argv, suffix, argv):
        path = which(binary)
        if path is None:
            missing.extend(f"{name}: no `{binary}` here, skipped" for name, _ in names_and_configs)
            return
        version = version_of([path, *version_argv])
        proxies.extend(Proxy(name, path, version, config, suffix, argv) for name, config in names_and_configs)

    http_mode = "option forwardfor\n    http-reuse always\n    option http-keep-alive"
    add(
        [
            ("HAProxy, TCP mode", lambda v: HAPROXY.format(mode="tcp", http="", **v)),
            ("HAProxy, HTTP mode", lambda v: HAPROXY.format(mode="http", http=http_mode, **v)),
        ],
        "haproxy", ["-v"], "cfg", lambda path, file: [path, "-db", "-f", file],
    )  # fmt: skip
    for name, binary in [("Serin", serin), (OTHER_BUILD, other_build)]:
        if binary:
            add([(name, lambda v: SERIN.format(**v))], binary, ["--version"], "yaml",
                lambda path, file: [path, "run", "--config", file, "--workers", "1"])  # fmt: skip
    add([("nginx", lambda v: NGINX.format(**v))], "nginx", ["-v"], "conf",
        lambda path, file: [path, "-c", file, "-p", os.path.dirname(file), "-e", "stderr"])  # fmt: skip
    add([("Envoy", lambda v: ENVOY.format(**v))], envoy or "envoy", ["--version"], "yaml",
        lambda path, file: [path, "-c", file, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"])  # fmt: skip
    return proxies, missing


def which(binary: str) -> str | None:
    """The binary's full path: given as one, on PATH, or where Debian puts servers."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    path = shutil.which(binary, path=search)
    return str(Path(path).resolve()) if path and not path.endswith("envoy") else path


def version_of(argv: list[str]) -> str:
    """The first thing in what `argv` prints that looks like a version."""
    out = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    # Some print their own path first, and a path may hold another program's version.
    match = re.search(r"\d+\.\d+(\.\d+)?", (out.stdout + out.stderr).replace(argv[0], ""))
    return match.group(0) if match else "?"
