//! Backends: a name, a version, and where the endpoints come from.

use super::names::Names;
use super::{Check, all};
use crate::config::at::At;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::plan::{Backend, Endpoints, Protocol};
use std::sync::Arc;

/// The backends as far as they are right, and the names under which others refer to them.
pub(super) struct Backends {
    pub(super) names: Names,
    pub(super) list: Option<Vec<Backend>>,
    /// The version of each, as far as it is right; empty when not said.
    pub(super) versions: Vec<Option<Arc<str>>>,
}

impl Check<'_> {
    pub(super) fn backends(self, list: Option<&Vec<At<raw::Backend>>>) -> Backends {
        let mut backends = Backends { names: Names::new("backend"), list: None, versions: Vec::new() };
        let Some(list) = list else { return backends };
        backends.list = all(list.iter().enumerate().map(|(index, at)| {
            let version = at.get().and_then(|raw| self.version("version", raw.version.as_ref()));
            backends.versions.push(version.clone());
            let raw = at.get()?;
            let name = self.name(&raw.name, at.place);
            if let Some(name) = &name {
                backends.names.declare(name, raw.name.place, index, self);
            }
            let upstream = self.upstream(raw);
            let endpoints = match raw.endpoints.need("endpoints", at.place, self.problems)? {
                raw::Endpoints::Static(list) => self.static_endpoints(list, raw.endpoints.place).map(Endpoints::Static),
                raw::Endpoints::Dns(at) => {
                    self.dns_endpoints(at, raw.endpoints.place).map(|(host, port)| Endpoints::Dns { host, port })
                }
            };
            let tls = self.backend_tls(raw.tls.as_ref(), endpoints.as_ref());
            let protocol = raw.protocol.as_ref().map_or(Some(Protocol::Http1), |at| at.get().map(|p| protocol_of(*p)));
            let proxy_protocol = Self::proxy_protocol(raw.proxy_protocol.as_ref());
            if let (Some(Protocol::Http2), Some(_), Some(at)) = (protocol, proxy_protocol, &raw.proxy_protocol) {
                let problem = Problem::new(at.place, "`proxyProtocol` with `protocol: http2`");
                let problem = problem.label("tells one client's address a connection, which requests of many share");
                self.report(problem.help("`X-Forwarded-For` tells it with each request"));
                return None;
            }
            Some(Backend {
                name: name?,
                version: version?,
                endpoints: endpoints?,
                tls: tls?,
                protocol: protocol?,
                proxy_protocol,
                upstream: upstream?,
            })
        }));
        backends
    }

    /// A version or revision: a label that people read. Empty when not said.
    pub(super) fn version(self, key: &str, at: Option<&At<raw::VersionText>>) -> Option<Arc<str>> {
        let Some(at) = at else { return Some("".into()) };
        let text = &at.get()?.0;
        if text.trim() != text && !text.trim().is_empty() {
            let problem = Problem::new(at.place, format!("`{key}` begins or ends with white space"));
            self.report(problem.label(format!("without it: `{}`", text.trim().escape_debug())));
            return None;
        }
        if (1..=128).contains(&text.trim().len()) && !text.contains(char::is_control) {
            return Some(text.as_str().into());
        }
        let problem = Problem::new(at.place, format!("`{key}` is empty, too long, or has control characters in it"));
        self.report(problem.label("1 to 128 bytes of text"));
        None
    }
}

fn protocol_of(written: raw::Protocol) -> Protocol {
    match written {
        raw::Protocol::Http1 => Protocol::Http1,
        raw::Protocol::Http2 => Protocol::Http2,
    }
}
