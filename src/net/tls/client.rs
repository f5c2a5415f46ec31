//! The side that connects.

use super::{Identity, Tls};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;

/// How connections to a backend's endpoints begin. Never without checking who is there.
#[derive(Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    /// The same, for those who speak HTTP/2.
    http2: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Connector {
    /// Believes certificates of `roots` that are for `name`, or, without one, for the address connected to; shows
    /// `identity` to whoever asks for one. Sessions are resumed.
    ///
    /// # Errors
    /// When rustls has no version of TLS, which would be this program's mistake.
    pub fn new(
        roots: Arc<RootCertStore>,
        identity: Option<&Identity>,
        name: Option<ServerName<'static>>,
    ) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from((*identity.key).clone())))
            }
        };
        config.alpn_protocols = super::offer(&[super::HTTP1]);
        let mut http2 = config.clone();
        http2.alpn_protocols = super::offer(&[super::HTTP2]);
        Ok(Self { config: Arc::new(config), http2: Arc::new(http2), name })
    }

    /// Does the handshake on `socket`, which is connected to `address`.
    ///
    /// # Errors
    /// When the two do not agree, or the peer is not who it should be.
    pub async fn connect(&self, socket: TcpStream, address: IpAddr) -> io::Result<Box<Tls>> {
        self.handshake(&self.config, socket, address).await
    }

    /// The same, to speak HTTP/2 then.
    ///
    /// # Errors
    /// The same; and [`Unsupported`](io::ErrorKind::Unsupported) when the peer has not chosen HTTP/2.
    pub async fn connect_http2(&self, socket: TcpStream, address: IpAddr) -> io::Result<Box<Tls>> {
        let tls = self.handshake(&self.http2, socket, address).await?;
        // A peer that knows nothing of ALPN says nothing, and then speaks HTTP/1.1 (RFC 9113 section 3.2).
        if tls.protocol() == Some(super::HTTP2) {
            return Ok(tls);
        }
        Err(io::Error::new(io::ErrorKind::Unsupported, "the endpoint did not choose HTTP/2 (`h2` by ALPN)"))
    }

    async fn handshake(&self, config: &Arc<ClientConfig>, socket: TcpStream, address: IpAddr) -> io::Result<Box<Tls>> {
        let name = self.name.clone().unwrap_or_else(|| ServerName::IpAddress(address.into()));
        let tls = Tls::client(socket, Arc::clone(config), name);
        let mut tls = tls.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        poll_fn(|cx| tls.poll_handshake(cx)).await?;
        Ok(tls)
    }
}

/// The certificate authorities that this machine believes, read at the first call; with a warning when there are none.
pub fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let errors = found.errors;
            tracing::warn!(
                ?errors,
                "no root certificates: install ca-certificates, or give the backends a `tls.caFile`"
            );
        }
        Arc::new(roots)
    });
    Arc::clone(&ROOTS)
}
