//! One request to the world outside, and its answer, of which no more is read than asked for.
//!
//! Every text made here is for people, and may stand in a log, an alert or the status. So it names a host and never
//! the rest of an address, since paths and queries of webhooks are secrets; and what others wrote is cut and cleaned.

use crate::net::https;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::error::Error;

/// Who calls.
pub(super) type Client = https::Client<Full<Bytes>>;

/// What of an answer's first line is shown, in bytes.
const LONGEST_LINE: usize = 200;

/// A JSON `POST` of `body`.
///
/// # Errors
/// Without an answer: why, with the host.
pub(super) async fn post(client: &Client, url: &str, body: Bytes) -> Result<Response<Incoming>, String> {
    let request = Request::post(url).header(header::CONTENT_TYPE, "application/json").body(Full::new(body));
    send(client, request.map_err(|error| error.to_string())?).await
}

/// Sends `request` and waits for the answer's head.
///
/// # Errors
/// Without an answer: why, with the host.
pub(super) async fn send(client: &Client, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let agent = http::HeaderValue::from_static(concat!("serin/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(header::USER_AGENT, agent);
    let host = host(&request.uri().to_string());
    client.request(request).await.map_err(|error| format!("{host}: {}", cause(&error)))
}

/// Reads `body` into `into`, where what has come stays even if this fails or is dropped.
///
/// # Errors
/// When it is longer than `limit` bytes, or breaks off.
pub(super) async fn read(mut body: Incoming, limit: usize, into: &mut Vec<u8>) -> Result<(), String> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer breaks off: {}", cause(&error)))?;
        let Some(data) = frame.data_ref() else { continue };
        let room = limit - into.len();
        into.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Err(format!("the answer is longer than {limit} bytes"));
        }
    }
    Ok(())
}

/// The innermost cause of `error`, which is what went wrong; the layers around it say where, and that is known.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    // "Connection refused (os error 111)": the number helps nobody, and it stands in the middle of a sentence.
    let Some((text, _)) = text.split_once(" (os error ") else { return text };
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// What of an address may be shown: its host, and its port where it has one.
pub(super) fn host(url: &str) -> String {
    let Ok(uri) = url.parse::<http::Uri>() else { return String::new() };
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    uri.host().map(|host| format!("{host}{port}")).unwrap_or_default()
}

/// The first line of what somebody answered, cut at 200 bytes and without control characters; empty if there is none.
pub(super) fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    clean(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
}

/// `text`, cut at 200 bytes and without control characters.
pub(super) fn clean(text: &str) -> String {
    let mut clean: String = text.chars().filter(|c| !c.is_control()).collect();
    clean.truncate(clean.floor_char_boundary(LONGEST_LINE));
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_of_an_address_may_be_a_secret_is_not_shown() {
        assert_eq!(host("https://user:pass@hooks.example.com/services/T0/B0?x=y"), "hooks.example.com");
        assert_eq!(host("http://127.0.0.1:9090/prometheus"), "127.0.0.1:9090");
    }

    #[test]
    fn a_cause_is_the_innermost_one_without_the_systems_number() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(cause(&io::Error::other(refused)), "connection refused");
        assert_eq!(cause(&io::Error::other("certificate expired")), "certificate expired");
    }

    #[test]
    fn what_others_wrote_is_cut_and_cleaned() {
        assert_eq!(first_line(b"\r\n  not \x1b[31myet\x07 \r\nmore"), "not [31myet");
        assert_eq!(first_line(b""), "");
        let long = "é".repeat(300);
        assert_eq!(first_line(long.as_bytes()), "é".repeat(100));
    }
}
