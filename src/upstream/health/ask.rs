//! One question put to one endpoint, on a connection of its own that begins as a request's would.

use crate::http::{HeadLimits, Progress, ResponseHead, slots};
use crate::net::Stream;
use crate::plan::Endpoint;
use crate::upstream::connect::{ConnectError, connect};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// What an endpoint is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether it takes a connection, which is closed at once.
    Connect,
    /// What it answers to a `GET` of this path.
    Get(Arc<str>),
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
}

impl From<ConnectError> for Unwell {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Socket(error) => Self::Connect(error),
            ConnectError::Tls(error) => Self::Handshake(error),
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
    let answer = timeout(patience, put(endpoint, question)).await;
    let answer = answer.unwrap_or(Err(Unwell::Timeout(patience)));
    match answer {
        Ok((stream, well)) => {
            learnt(well);
            if let Some(stream) = stream {
                let _ = timeout(patience, drain(stream)).await;
            }
        }
        Err(unwell) => learnt(Err(unwell)),
    }
}

/// What it answers, and the connection on which more may follow.
async fn put(endpoint: &Endpoint, question: &Question) -> Result<(Option<Stream>, Result<(), Unwell>), Unwell> {
    let mut stream = connect(endpoint, None).await?;
    let Question::Get(path) = question else { return Ok((None, Ok(()))) };
    let address = endpoint.address;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: serin-health\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(Unwell::Broken)?;
    stream.flush().await.map_err(Unwell::Broken)?;
    let mut bytes = Vec::with_capacity(1_024);
    loop {
        if let Some(code) = status(&mut bytes)? {
            let well = if (200..400).contains(&code) { Ok(()) } else { Err(Unwell::Status(code)) };
            return Ok((Some(stream), well));
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

/// Reads what still comes, up to a bound.
async fn drain(stream: Stream) {
    const MOST: u64 = 256 << 10;
    let _ = tokio::io::copy(&mut stream.take(MOST), &mut tokio::io::sink()).await;
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
        let question = Question::Get("/healthz?deep=1".into());
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
