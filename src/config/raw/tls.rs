//! TLS, on either side.

use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// The TLS that clients speak to a listener: 1.2 or 1.3. Either `certificateFile` and `keyFile`, or `certificates`. The
/// files are watched: a renewed certificate is used from the next handshake on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct ServerTls {
    /// The certificate in PEM, followed by those between it and its authority; relative to this file.
    pub(in crate::config) certificate_file: Option<At<String>>,
    /// The certificate's private key in PEM; relative to this file.
    pub(in crate::config) key_file: Option<At<String>>,
    /// Several certificates: a client gets the one that is for the name it asks for (SNI), by their subject alternative
    /// names, and the first when none is.
    #[schemars(length(min = 1))]
    pub(in crate::config) certificates: Option<At<Vec<At<Certificate>>>>,
    /// Certificate authorities in PEM; relative to this file. With it, clients have to show a certificate of one of them.
    pub(in crate::config) client_ca_file: Option<At<String>>,
}

/// A certificate and its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Certificate {
    /// The certificate in PEM, followed by those between it and its authority; relative to this file.
    pub(in crate::config) certificate_file: At<String>,
    /// The certificate's private key in PEM; relative to this file.
    pub(in crate::config) key_file: At<String>,
}

/// TLS to a backend; `{}` for all the defaults. The backend's certificate is always verified.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct BackendTls {
    /// The certificate authorities that are believed, in PEM; relative to this file. Default: the system's.
    pub(in crate::config) ca_file: Option<At<String>>,
    /// The name that the backend's certificate has to be for. Default: the name of `endpoints.dns`, or each address of
    /// `endpoints.static`.
    pub(in crate::config) server_name: Option<At<String>>,
    /// The certificate that Serin shows when it is asked for one, in PEM; relative to this file.
    pub(in crate::config) certificate_file: Option<At<String>>,
    /// Its private key in PEM; relative to this file.
    pub(in crate::config) key_file: Option<At<String>>,
}
