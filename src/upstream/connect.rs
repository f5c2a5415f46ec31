//! A new connection to an endpoint, for whoever wants one: the PROXY header and the handshake are a part of it, and the
//! handshake fails on its own.

use crate::net::proxy_protocol::Addresses;
use crate::net::{Stream, keep_alive};
use crate::plan::Endpoint;
use std::io;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Why there is no new connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The system did not reach the endpoint.
    #[error("cannot connect: {0}")]
    Socket(#[source] io::Error),
    /// The endpoint was reached, and the handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    /// The endpoint was reached, and does not speak HTTP/2.
    #[error("the endpoint does not speak HTTP/2: {0}")]
    Http2(#[source] Box<h2::Error>),
    /// The endpoint lets no request in (`SETTINGS_MAX_CONCURRENT_STREAMS` is 0).
    #[error("the endpoint takes no HTTP/2 streams")]
    NoStreams,
    /// It took too long.
    #[error("no connection in time")]
    Timeout,
}

impl From<h2::Error> for ConnectError {
    fn from(error: h2::Error) -> Self {
        // Whoever waits for a connection has room for the error.
        Self::Http2(Box::new(error))
    }
}

/// Connects to `endpoint`, as far as the end of the handshake if there is one. Where the endpoint wants to know on whose
/// behalf, it is told `client`, or that it is Serin's own.
///
/// # Errors
/// [`ConnectError`], when the endpoint does not accept it, or is not who it should be.
pub(super) async fn connect(endpoint: &Endpoint, client: Option<&Addresses>) -> Result<Stream, ConnectError> {
    let socket = socket(endpoint, client).await?;
    match &endpoint.tls {
        None => Ok(Stream::Plain(socket)),
        Some(tls) => match tls.connect(socket, endpoint.address.ip()).await {
            Ok(connected) => Ok(Stream::Tls(connected)),
            Err(error) => Err(ConnectError::Tls(error)),
        },
    }
}

/// The same on Serin's own behalf, to speak HTTP/2 then.
///
/// # Errors
/// The same.
pub(super) async fn connect_http2(endpoint: &Endpoint) -> Result<Stream, ConnectError> {
    let socket = socket(endpoint, None).await?;
    match &endpoint.tls {
        None => Ok(Stream::Plain(socket)),
        Some(tls) => match tls.connect_http2(socket, endpoint.address.ip()).await {
            Ok(connected) => Ok(Stream::Tls(connected)),
            Err(error) => Err(ConnectError::Tls(error)),
        },
    }
}

async fn socket(endpoint: &Endpoint, client: Option<&Addresses>) -> Result<TcpStream, ConnectError> {
    let mut socket = TcpStream::connect(endpoint.address).await.map_err(ConnectError::Socket)?;
    socket.set_nodelay(true).map_err(ConnectError::Socket)?;
    keep_alive(&socket).map_err(ConnectError::Socket)?;
    if let Some(version) = endpoint.proxy_protocol {
        socket.write_all(&version.header(client)).await.map_err(ConnectError::Socket)?;
    }
    Ok(socket)
}
