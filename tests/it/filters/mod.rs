//! `HTTPRoute`'s filters, as both sides see them.

mod headers;
mod mirrors;
mod redirects;
mod rewrites;

use crate::harness::{Backend, Serin};
use std::net::SocketAddr;

const OK: &str = "HTTP/1.1 200 OK\r\nServer: inner\r\nX-Version: 1\r\nContent-Length: 2\r\n\r\nok";

/// A config with one rule, for everything below `/shop`: its filters, its backendRefs.
fn config(backend: SocketAddr, filters: &str, refs: &str) -> String {
    format!(
        r#"
backends:
  - {{ name: stable, version: "1", endpoints: {{ static: ["{backend}"] }} }}
  - {{ name: canary, version: "2", endpoints: {{ static: ["{backend}"] }} }}
routes:
  - name: web
    rules:
      - name: shop
        matches: [{{ path: {{ value: /shop }} }}]
        filters: [{filters}]
        backendRefs: [{refs}]
"#
    )
}

/// A proxy with these filters on the rule, before a backend that answers [`OK`].
fn filtering(filters: &str) -> (Serin, Backend) {
    let backend = Backend::replying(OK);
    let serin = Serin::start(&config(backend.address(), filters, "{ name: stable }"));
    (serin, backend)
}
