//! One question put to one endpoint, on a connection of its own that begins as a request's would.

use super::grpc::{ServingStatus, check};
use crate::http::{HeadLimits, Progress, ResponseHead, slots};
use crate::net::Stream;
use crate::plan::{Endpoint, HealthQuestion, Protocol};
use crate::stats::GrpcEnd;
use crate::upstream::connect::{ConnectError, connect, connect_http2};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// What an endpoint is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether it takes a connection, which is closed at once.
    Connect,
    /// What a health check asks.
    Asks(HealthQuestion),
}

/// Why an endpoint is not well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwell {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the connection broke before the answer: {0}")]
    Broken(io::Error),
    #[error("the connection was closed before the answer")]
    Closed,
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    #[error("the answer is {0}")]
    Status(u16),
    #[error("HTTP/2: {0}")]
    Http2(h2::Error),
    #[error("the answer is not gRPC")]
    NotGrpc,
    #[error("the answer ends with the gRPC status {}", .0.label())]
    Grpc(GrpcEnd),
    #[error("the answer is not one of gRPC's health service")]
    NoHealth,
    #[error("the answer is {0}")]
    Serving(ServingStatus),
}

impl From<ConnectError> for Unwell {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Tls(error) => Self::Handshake(error),
            ConnectError::Socket(error) => Self::Connect(error),
            other => Self::Connect(io::Error::other(other)),
        }
    }
}

/// What an answer may be long.
const LIMITS: HeadLimits = HeadLimits { bytes: 64 << 10, fields: 100 };

/// Puts `question`, and hands what it learns within `patience` to `learnt`, once. Ends a moment later, when what else
/// the endpoint had to say has been read: an endpoint that is cut off in its answer would have something to log.
pub(super) async fn ask(
    endpoint: &Endpoint,
    question: &Question,
    patience: Duration,
    learnt: impl FnOnce(Result<(), Unwell>),
) {
    let answer = timeout(patience, put(endpoint, question, patience)).await;
    let answer = answer.unwrap_or(Err(Unwell::Timeout(patience)));
    match answer {
        Ok((rest, well)) => {
            learnt(well);
            let _ = timeout(patience, rest.end()).await;
        }
        Err(unwell) => learnt(Err(unwell)),
    }
}

/// The connection on which an answer came, and more may follow.
enum Rest {
    Nothing,
    Http1(Stream),
    Http2(Box<h2::client::Connection<Stream>>),
}

/// What it answers, and what is left.
async fn put(
    endpoint: &Endpoint,
    question: &Question,
    patience: Duration,
) -> Result<(Rest, Result<(), Unwell>), Unwell> {
    let address = endpoint.address;
    let speaks_http2 = matches!(question, Question::Asks(HealthQuestion::Grpc(_)));
    let stream = match endpoint.protocol {
        Protocol::Http1 if !speaks_http2 => connect(endpoint, None).await?,
        Protocol::Http1 | Protocol::Http2 => connect_http2(endpoint).await?,
    };
    match question {
        Question::Connect => Ok((Rest::Nothing, Ok(()))),
        Question::Asks(HealthQuestion::Get(path)) => {
            let (rest, code) = match endpoint.protocol {
                Protocol::Http1 => get(stream, address, path).await?,
                Protocol::Http2 => {
                    let (connection, code) = super::http2::get(stream, address, path).await?;
                    (Rest::Http2(Box::new(connection)), code)
                }
            };
            Ok((rest, if (200..400).contains(&code) { Ok(()) } else { Err(Unwell::Status(code)) }))
        }
        Question::Asks(HealthQuestion::Grpc(service)) => {
            let (connection, well) = check(stream, address, service, patience).await?;
            Ok((Rest::Http2(Box::new(connection)), well))
        }
    }
}

async fn get(mut stream: Stream, address: SocketAddr, path: &str) -> Result<(Rest, u16), Unwell> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: serin-health\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(Unwell::Broken)?;
    stream.flush().await.map_err(Unwell::Broken)?;
    let mut bytes = Vec::with_capacity(1_024);
    loop {
        if let Some(code) = status(&mut bytes)? {
            return Ok((Rest::Http1(stream), code));
        }
        if stream.read_buf(&mut bytes).await.map_err(Unwell::Broken)? == 0 {
            return Err(Unwell::Closed);
        }
    }
}

/// The status of the response at the beginning of `bytes`, once its head is whole. Interim ones are taken away.
fn status(bytes: &mut Vec<u8>) -> Result<Option<u16>, Unwell> {
    loop {
        let (code, length) = match ResponseHead::parse(bytes, &mut slots(), LIMITS, false) {
            Ok(Progress::Complete(head, length)) => (head.code, length),
            Ok(Progress::Partial) if bytes.len() < LIMITS.bytes => return Ok(None),
            Ok(Progress::Partial) | Err(_) => return Err(Unwell::NotHttp),
        };
        if code >= 200 {
            return Ok(Some(code));
        }
        bytes.drain(..length);
    }
}

impl Rest {
    /// Lets the endpoint say what it still has to say, up to a bound.
    async fn end(self) {
        const MOST: u64 = 256 << 10;
        match self {
            Self::Nothing => {}
            Self::Http1(stream) => {
                let _ = tokio::io::copy(&mut stream.take(MOST), &mut tokio::io::sink()).await;
            }
            // Nobody sends a request on it any more, so it takes its leave by itself.
            Self::Http2(connection) => {
                let _ = connection.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What is learnt from an endpoint that answers with `reply`, in pieces, and then does not close.
    async fn answer(reply: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1_024];
            let length = stream.read(&mut asked).await.unwrap();
            asked.truncate(length);
            for piece in reply {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            if reply.is_empty() {
                drop(stream);
            } else {
                // Stays open until whoever asked has had enough.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
            String::from_utf8(asked).unwrap()
        });
        let mut learnt = String::new();
        let question = Question::Asks(HealthQuestion::Get("/healthz?deep=1".into()));
        ask(&Endpoint::new(address), &question, Duration::from_millis(300), |result| {
            learnt = result.map_or_else(|unwell| unwell.to_string(), |()| "well".into());
        })
        .await;
        let asked = serve.await.unwrap();
        assert!(asked.starts_with(&format!("GET /healthz?deep=1 HTTP/1.1\r\nhost: {address}\r\n")), "{asked}");
        learnt
    }

    #[tokio::test]
    async fn an_answer_from_200_to_399_is_well_and_everything_else_is_not() {
        assert_eq!(answer(&["HTTP/1.1 200 OK\r\n", "content-length: 2\r\n\r\n", "ok"]).await, "well");
        assert_eq!(answer(&["HTTP/1.0 204 \r\n\r\n"]).await, "well");
        assert_eq!(answer(&["HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 301 Moved\r\n\r\n"]).await, "well");
        assert_eq!(answer(&["HTTP/1.1 404 Not Found\r\n\r\n"]).await, "the answer is 404");
        assert_eq!(answer(&["HTTP/1.1 503 Busy\r\n\r\n"]).await, "the answer is 503");
        assert_eq!(answer(&["hello\r\n\r\n"]).await, "the answer is not HTTP/1.1");
        assert_eq!(answer(&[]).await, "the connection was closed before the answer");
        assert_eq!(answer(&["HTTP/1.1 200 OK\r\n"]).await, "no answer within 300ms");
    }

    #[tokio::test]
    async fn a_connection_is_an_answer_where_nothing_else_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ask = async |well: &mut bool| {
            ask(&Endpoint::new(address), &Question::Connect, Duration::from_secs(10), |result| *well = result.is_ok())
                .await;
        };
        let mut well = false;
        ask(&mut well).await;
        assert!(well);
        drop(listener);
        ask(&mut well).await;
        assert!(!well);
    }
}
