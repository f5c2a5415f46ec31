//! TLS in words: which files, and who is believed.

use crate::net::tls::ServerName;
use crate::plan::{BackendTls, CertificateFiles, ServerTls};

/// What clients of a listener meet; nothing where they speak in clear.
pub(super) fn server(tls: Option<&ServerTls>) -> String {
    let Some(tls) = tls else { return String::new() };
    let shown: Vec<_> = tls.certificates.iter().map(certificate).collect();
    let clients = tls.client_ca.as_ref().map(|ca| format!("; clients need a certificate of {}", ca.display()));
    format!("TLS with {}{}", shown.join(", "), clients.unwrap_or_default())
}

/// Who is looked for at the endpoints, and by which certificates; nothing where they are spoken to in clear.
pub(super) fn backend(tls: Option<&BackendTls>) -> String {
    let Some(tls) = tls else { return String::new() };
    let name = tls.server_name.as_ref().map_or("its own address".into(), ServerName::to_str);
    let authorities = tls.ca.as_ref().map_or("the system's authorities".into(), |ca| ca.display().to_string());
    let shown = tls.certificate.as_ref().map(|files| format!("; shows {}", certificate(files)));
    format!("TLS for {name}, believes {authorities}{}", shown.unwrap_or_default())
}

fn certificate(files: &CertificateFiles) -> String {
    files.certificate.display().to_string()
}
