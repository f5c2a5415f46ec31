//! TLS, as the API shows it: the files' names, and nothing that is in them.

use crate::net::tls::ServerName;
use crate::plan::{BackendTls, ServerTls};
use serde_json::{Value, json};

/// The TLS of a listener or of the admin listener.
pub(super) fn server(tls: &ServerTls) -> Value {
    let certificates = tls.certificates.iter();
    let certificates = certificates.map(|files| json!({ "certificateFile": files.certificate, "keyFile": files.key }));
    json!({ "certificates": certificates.collect::<Vec<_>>(), "clientCaFile": tls.client_ca })
}

/// The TLS to a backend.
pub(super) fn backend(tls: &BackendTls) -> Value {
    let shown = tls.certificate.as_ref();
    json!({
        "caFile": tls.ca,
        "serverName": tls.server_name.as_ref().map(ServerName::to_str),
        "certificateFile": shown.map(|files| &files.certificate),
        "keyFile": shown.map(|files| &files.key),
    })
}
