//! TLS: which files there have to be together, and who is to be found at a backend. No file is read here.

use super::{Check, all};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::net::tls::ServerName;
use crate::plan::{BackendTls, CertificateFiles, Endpoints, ServerTls};

impl Check<'_> {
    /// The TLS of a listener or of the admin listener. The outer `None`: something was reported.
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    pub(super) fn server_tls(self, at: Option<&At<raw::ServerTls>>) -> Option<Option<ServerTls>> {
        let Some(at) = at else { return Some(None) };
        let raw = at.need("tls", at.place, self.problems)?;
        let single = self.certificate(raw.certificate_file.as_ref(), raw.key_file.as_ref(), at.place);
        let client_ca = self.optional_path(raw.client_ca_file.as_ref(), "clientCaFile");
        let certificates = match (single?, &raw.certificates) {
            (Some(files), None) => vec![files],
            (None, Some(list)) => {
                let certificates = self.filled("certificates", list, at.place)?;
                all(certificates.iter().map(|each| {
                    let raw = each.get()?;
                    let certificate = raw.certificate_file.need("certificateFile", each.place, self.problems);
                    let key = raw.key_file.need("keyFile", each.place, self.problems);
                    let (_, _) = (certificate?, key?);
                    self.certificate(Some(&raw.certificate_file), Some(&raw.key_file), each.place)?
                }))?
            }
            (Some(_), Some(list)) => {
                let problem = Problem::new(list.place, "both `certificateFile` and `certificates`");
                self.report(problem.label("the second way").help("put every certificate into `certificates`"));
                return None;
            }
            (None, None) => {
                let problem = Problem::new(at.place, "`tls` has no certificate");
                self.report(problem.label("needs `certificateFile` and `keyFile`, or `certificates`"));
                return None;
            }
        };
        Some(Some(ServerTls { certificates, client_ca: client_ca? }))
    }

    /// The TLS to a backend with these `endpoints`. The outer `None`: something was reported.
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    pub(super) fn backend_tls(
        self,
        at: Option<&At<raw::BackendTls>>,
        endpoints: Option<&Endpoints>,
    ) -> Option<Option<BackendTls>> {
        let Some(at) = at else { return Some(None) };
        let raw = at.need("tls", at.place, self.problems)?;
        let certificate = self.certificate(raw.certificate_file.as_ref(), raw.key_file.as_ref(), at.place);
        let ca = self.optional_path(raw.ca_file.as_ref(), "caFile");
        let server_name = match (&raw.server_name, endpoints) {
            (Some(at), _) => {
                let text = at.need("serverName", at.place, self.problems)?;
                let name = ServerName::try_from(text.clone());
                if name.is_err() {
                    let problem = Problem::new(at.place, format!("`{}` is no name of a server", text.escape_debug()));
                    self.report(problem.label("a DNS name or an IP address").help("as in `payments.example.com`"));
                }
                Some(name.ok()?)
            }
            (None, Some(Endpoints::Dns { host, .. })) => {
                // The final dot of an absolute name is for resolvers; no certificate has it.
                let name = ServerName::try_from(host.trim_end_matches('.').to_owned());
                if name.is_err() {
                    let problem = Problem::new(at.place, format!("no certificate can be for the name `{host}`"));
                    self.report(problem.label("needs a `serverName`"));
                }
                Some(name.ok()?)
            }
            (None, _) => None,
        };
        Some(Some(BackendTls { ca: ca?, server_name, certificate: certificate? }))
    }

    /// A certificate and its key: both, or neither. The outer `None`: something was reported.
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    fn certificate(
        self,
        certificate: Option<&At<String>>,
        key: Option<&At<String>>,
        owner: Place,
    ) -> Option<Option<CertificateFiles>> {
        let (written, missing) = match (certificate, key) {
            (None, None) => return Some(None),
            (Some(certificate), Some(key)) => {
                let certificate = self.path(certificate, "certificateFile");
                let key = self.path(key, "keyFile");
                return Some(Some(CertificateFiles { certificate: certificate?, key: key? }));
            }
            (Some(_), None) => ("certificateFile", "keyFile"),
            (None, Some(_)) => ("keyFile", "certificateFile"),
        };
        let problem = Problem::new(owner, format!("`{written}` without `{missing}`"));
        self.report(problem.label(format!("needs `{missing}`")));
        None
    }

    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    fn optional_path(self, at: Option<&At<String>>, key: &str) -> Option<Option<std::path::PathBuf>> {
        at.map_or(Some(None), |at| self.path(at, key).map(Some))
    }
}
