//! Why a client's handshake came to nothing, in words that an operator can count.

use rustls::{AlertDescription, Error, InvalidMessage};
use std::io;

/// Why a handshake came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// What came was no TLS: mostly HTTP in clear.
    ClearText,
    /// It was not over in time.
    Timeout,
    /// The client left, or was lost.
    Closed,
    /// One side did not accept the other's certificate, or missed it.
    Certificate,
    /// No version, cipher suite or protocol in common, or a message that makes no sense.
    Protocol,
}

impl HandshakeFailure {
    /// Every one, in the order of their counters.
    pub const ALL: [Self; 5] = [Self::ClearText, Self::Timeout, Self::Closed, Self::Certificate, Self::Protocol];

    /// The value of the label `cause`.
    pub fn label(self) -> &'static str {
        match self {
            Self::ClearText => "clear-text",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Certificate => "certificate",
            Self::Protocol => "protocol",
        }
    }

    /// What an error of [`Tls::poll_handshake`](super::Tls::poll_handshake) comes down to.
    pub fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            None => Self::Closed,
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Self::ClearText,
            Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => Self::Certificate,
            Some(Error::AlertReceived(alert)) if is_about_a_certificate(*alert) => Self::Certificate,
            Some(_) => Self::Protocol,
        }
    }
}

fn is_about_a_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateRequired
    )
}
