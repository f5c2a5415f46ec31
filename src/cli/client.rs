//! Talks to a running Serin, over its admin address.

use crate::net::https;
use crate::net::tls::{FileError, Identity};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Where the running Serin is, and what it knows us by.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    /// The admin address of the running Serin.
    #[arg(long, value_name = "URL", env = "SERIN_ADMIN", default_value = "http://127.0.0.1:9900")]
    pub admin: String,
    /// The file with the bearer token, where the config has an admin.tokenFile.
    #[arg(long, value_name = "FILE", env = "SERIN_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// The file with the certificate authorities (PEM) that are believed for an https URL. Default: the system's.
    #[arg(long, value_name = "FILE", env = "SERIN_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// The file with the certificate (PEM) to show where the config has an admin.tls.clientCaFile; needs a --key-file.
    #[arg(long, value_name = "FILE", env = "SERIN_CERTIFICATE_FILE", requires = "key_file")]
    pub certificate_file: Option<PathBuf>,
    /// The file with the certificate's key (PEM, without a passphrase).
    #[arg(long, value_name = "FILE", env = "SERIN_KEY_FILE", requires = "certificate_file")]
    pub key_file: Option<PathBuf>,
}

impl AdminArgs {
    /// Of the server at `admin`, in clear and with no token.
    pub(super) fn of(admin: String) -> Self {
        Self { admin, token_file: None, ca_file: None, certificate_file: None, key_file: None }
    }
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none, or not one that can be called.
    #[error("`{url}` is no admin URL: {why}; write one such as http://127.0.0.1:9900")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token cannot be had.
    #[error("the token file {} cannot be used: {why}", path.display())]
    Token {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate authorities cannot be had.
    #[error("--ca-file is of no use: {why}")]
    Authorities {
        /// What is wrong with the file, with its name.
        why: String,
    },
    /// The certificate to be shown cannot be had.
    #[error("--certificate-file and --key-file are of no use: {0}")]
    Certificate(#[from] FileError),
    /// Whoever is there takes the connection, and gives no answer on it.
    #[error("{url} ended the connection ({why}); {}", if *shown {
        "is --certificate-file by an authority in its admin.tls.clientCaFile?"
    } else {
        "where its config has an admin.tls.clientCaFile, give a certificate: --certificate-file and --key-file"
    })]
    NotAdmitted {
        /// Who was asked.
        url: String,
        /// What happened.
        why: String,
        /// A certificate was there to be shown.
        shown: bool,
    },
    /// Nobody answered.
    #[error("no answer from {url}: {why}; is `serin run` up, and is this its admin.address? --admin changes it")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// What happened.
        why: String,
    },
    /// It was answered with a no.
    #[error("{url} says no ({status}): {message}{}", if *status == StatusCode::UNAUTHORIZED { "; --token-file gives one" } else { "" })]
    Refused {
        /// Who was asked.
        url: String,
        /// The status of the answer.
        status: StatusCode,
        /// The reason in the answer.
        message: String,
    },
}

impl ClientError {
    /// What the process exits with: 2 when it was called wrongly, 1 when the call did not work.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Url { .. } | Self::Token { .. } | Self::Authorities { .. } | Self::Certificate(_) => 2,
            Self::NotAdmitted { .. } | Self::Unreachable { .. } | Self::Refused { .. } => 1,
        }
    }

    /// Whether it may be otherwise soon: the process is being restarted, say.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Url { .. } | Self::Token { .. } | Self::Authorities { .. } | Self::Certificate(_) => false,
            Self::NotAdmitted { .. } | Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
        }
    }
}

/// Longer than the admin server itself waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(15);
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// An admin server to call.
#[derive(Debug)]
pub(super) struct Client {
    base: String,
    authorization: Option<String>,
    patience: Duration,
    shows_certificate: bool,
    http: https::Client<Empty<Bytes>>,
}

impl Client {
    /// Of the server and with the token that `args` name.
    ///
    /// # Errors
    /// When the URL or one of the files is of no use.
    pub(super) fn new(args: &AdminArgs) -> Result<Self, ClientError> {
        let authorization = args.token_file.as_ref().map(authorization).transpose()?;
        let base = base(&args.admin)?;
        let identity = args.certificate_file.as_ref().zip(args.key_file.as_ref());
        let identity = identity.map(|(own, key)| Identity::load(own, key, SystemTime::now())).transpose()?;
        let wrong = |why| ClientError::Authorities { why };
        let http = match (&identity, args.ca_file.as_deref()) {
            (Some(identity), authorities) => https::client_showing(identity, authorities).map_err(wrong)?,
            (None, Some(path)) => https::client_trusting(path).map_err(wrong)?,
            (None, None) if base.starts_with("https") => https::client(),
            (None, None) => https::client_in_clear(),
        };
        Ok(Self { base, authorization, patience: TIMEOUT, shows_certificate: identity.is_some(), http })
    }

    /// From now on a call may take so long, and never longer than it usually may.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience.min(TIMEOUT);
    }

    /// The answer to a `GET` of `path`, which begins with a slash.
    ///
    /// # Errors
    /// When nobody answers, or not with a success, or not in this form.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.parse(&self.text(path)?)
    }

    /// The same as it was sent.
    ///
    /// # Errors
    /// When nobody answers, or not with a success.
    pub(super) fn text(&self, path: &str) -> Result<String, ClientError> {
        self.call(Method::GET, path)
    }

    /// The answer to a `POST` to `path`, which begins with a slash.
    ///
    /// # Errors
    /// When nobody answers, or not with a success, or not in this form.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.parse(&self.call(Method::POST, path)?)
    }

    /// What an answer says.
    ///
    /// # Errors
    /// When it says something else.
    pub(super) fn parse<T: DeserializeOwned>(&self, text: &str) -> Result<T, ClientError> {
        let strange = |error| self.unreachable(format!("what answers there is no Serin of this version ({error})"));
        serde_json::from_str(text).map_err(strange)
    }

    /// Opens the stream at `path`, after the event `last`.
    ///
    /// # Errors
    /// When nobody answers, or not with a success.
    pub(super) async fn open(&self, path: &str, last: Option<&str>) -> Result<Incoming, ClientError> {
        let fields = [("accept", Some("text/event-stream")), ("last-event-id", last)];
        let opened = tokio::time::timeout(self.patience, self.send(Method::GET, path, &fields)).await;
        let response = opened.unwrap_or_else(|_| Err(self.too_slow()))?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let (status, body) = self.read(response).await?;
        Err(self.refused(status, &body))
    }

    fn call(&self, method: Method, path: &str) -> Result<String, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.unreachable(error.to_string()))?;
        let answer = runtime.block_on(async {
            let exchange = async { self.read(self.send(method, path, &[]).await?).await };
            tokio::time::timeout(self.patience, exchange).await
        });
        let (status, body) = answer.unwrap_or_else(|_| Err(self.too_slow()))?;
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, Option<&str>)],
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in fields.iter().filter_map(|(name, value)| Some((*name, (*value)?))) {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| self.unreachable(error.to_string()))?;
        self.http.request(request).await.map_err(|error| self.unanswered(&error))
    }

    async fn read(&self, response: Response<Incoming>) -> Result<(StatusCode, Bytes), ClientError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        Ok((status, body.map_err(|error| self.unreachable(error.to_string()))?.to_bytes()))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> ClientError {
        let value: Option<Value> = serde_json::from_slice(body).ok();
        let said = value.as_ref().and_then(|value| value.get("error")?.as_str());
        let message = said.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), ToOwned::to_owned);
        ClientError::Refused { url: self.base.clone(), status, message }
    }

    fn too_slow(&self) -> ClientError {
        self.unreachable(format!("it took longer than {} s", self.patience.as_secs_f64()))
    }

    fn unanswered(&self, error: &legacy::Error) -> ClientError {
        let why = reason(error);
        // In TLS 1.3 a client knows of its refusal after its first request at the earliest, and the reset may come first.
        if https::was_alert(error) || (self.base.starts_with("https") && !error.is_connect()) {
            return ClientError::NotAdmitted { url: self.base.clone(), why, shown: self.shows_certificate };
        }
        self.unreachable(why)
    }

    /// Nobody answered, and this is why.
    pub(super) fn unreachable(&self, why: String) -> ClientError {
        ClientError::Unreachable { url: self.base.clone(), why }
    }
}

/// `name` as one segment of a path (RFC 3986 section 3.3).
pub(super) fn segment(name: &str) -> String {
    let encoded = name.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The URL without what a path would be added to twice. A bare `host:port` is taken as well.
fn base(url: &str) -> Result<String, ClientError> {
    let wrong = |why: &str| ClientError::Url { url: url.to_owned(), why: why.to_owned() };
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = full.parse().map_err(|error: hyper::http::uri::InvalidUri| wrong(&error.to_string()))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it begins with neither http:// nor https://"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong("it names no host"));
    }
    if uri.query().is_some() || uri.path() != "/" {
        return Err(wrong("it has a path"));
    }
    Ok(full.trim_end_matches('/').to_owned())
}

fn authorization(path: &PathBuf) -> Result<String, ClientError> {
    let wrong = |why: String| ClientError::Token { path: path.clone(), why };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("it must hold one token, of visible ASCII".into()));
    }
    Ok(format!("Bearer {token}"))
}

/// The error at the bottom, which is the system's: `Connection refused` says more than `client error`. With it, what is to
/// be done where one side speaks TLS and the other does not, or is not believed.
fn reason(error: &legacy::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    let mut advice = advice(innermost);
    while let Some(source) = innermost.source() {
        innermost = source;
        advice = advice.or_else(|| self::advice(source));
    }
    advice.map_or_else(|| innermost.to_string(), |advice| format!("{innermost}: {advice}"))
}

fn advice(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        return Some("it is not HTTP; with `admin.tls` its URL begins with https://");
    }
    // What an I/O error has inside is not its source.
    let mut inside = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    while let Some(inner) = inside.downcast_ref::<std::io::Error>() {
        inside = inner.get_ref()?;
    }
    match inside.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidMessage(_) => {
            Some("it does not speak TLS; without `admin.tls` its URL begins with http://")
        }
        rustls::Error::InvalidCertificate(_) => Some("--ca-file names the authority of its certificate"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_people_write_it() {
        for (url, expected) in [
            ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("http://serin:9900/", "http://serin:9900"),
            ("127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("[::1]:9900", "http://[::1]:9900"),
            ("https://serin:9900/", "https://serin:9900"),
        ] {
            assert_eq!(base(url).unwrap(), expected);
        }
        for url in ["ftp://serin:9900", "http://", "", "http://serin/x", "http://serin?x", "http://a b"] {
            let error = base(url).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{url}");
            assert!(error.to_string().contains("http://127.0.0.1:9900"), "{error}");
        }
    }

    #[test]
    fn a_name_with_a_slash_stays_one_segment() {
        assert_eq!(segment("data-tier"), "data-tier");
        assert_eq!(segment("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
    }

    #[test]
    fn a_token_file_without_a_token_is_refused_before_anybody_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert_eq!(authorization(&path).unwrap_err().exit_code(), 2);
        for bad in ["", "\n", "two tokens"] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(authorization(&path).unwrap_err().exit_code(), 2, "{bad:?}");
        }
        std::fs::write(&path, "secret\n").unwrap();
        assert_eq!(authorization(&path).unwrap(), "Bearer secret");
    }

    #[test]
    fn nobody_there_says_who_was_asked_and_what_to_do() {
        // Bound but not listening any more: nothing answers on it.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let args = AdminArgs::of(address.to_string());
        let client = Client::new(&args).unwrap();
        let error = client.call(Method::GET, "/api/v1/rollouts").unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains(&address.to_string()) && text.contains("refused") && text.contains("--admin"), "{text}");
    }
}
