//! Asks a Prometheus server for one number: an instant query.
//!
//! No answer is ever taken for a good one. An empty result, `NaN` and infinities are "no data"; everything else that is
//! not exactly one number is an error that says what to do about it.

use super::call::Client;
use super::call::{self, cause, clean, first_line, host};
use super::limits::Answer;
use super::time::duration_text;
use crate::net::https;
use crate::plan::{Plan, Prometheus, QueryLimit, Rollout};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// More than this of an answer is not read, in bytes: one number needs a hundred.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// A token longer than this is no token but the wrong file, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

/// A query of one rollout, ready to be asked.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    prometheus: Prometheus,
    /// With nothing left to fill in.
    text: String,
    pub(super) interval: Duration,
}

impl Query {
    /// What `limit` asks for `spec`.
    pub(super) fn new(plan: &Plan, spec: &Rollout, limit: &QueryLimit) -> Self {
        let version = |backend: crate::plan::BackendId| escaped(&plan.backends[backend.index()].version);
        let values = [
            ("{{stable}}", version(spec.stable)),
            ("{{canary}}", version(spec.canary)),
            ("{{revision}}", escaped(&spec.revision)),
            ("{{window}}", duration_text(limit.window)),
        ];
        let text = fill(&limit.prometheus.query, &values);
        Self { prometheus: limit.prometheus.clone(), text, interval: limit.interval }
    }

    /// Asks once, within the query's timeout.
    pub(super) async fn ask(&self, client: &Client) -> Answer {
        let patience = self.prometheus.timeout;
        let late = || format!("{}: no answer within {}", host(&self.prometheus.url), duration_text(patience));
        timeout(patience, self.exchange(client)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn exchange(&self, client: &Client) -> Answer {
        let Prometheus { url, ca_file, .. } = &self.prometheus;
        let host = host(url);
        let trusting;
        let client = match ca_file.clone() {
            None => client,
            Some(path) => {
                trusting = in_time(move || https::client_trusting(&path)).await?;
                &trusting
            }
        };
        let untrusted = |why: &String| ca_file.is_none() && why.contains("UnknownIssuer");
        let response = call::send(client, self.request().await?).await.map_err(|why| {
            if untrusted(&why) { why + "; give the certificate of its authority as `caFile`" } else { why }
        })?;
        let status = response.status();
        let mut body = Vec::new();
        let whole = call::read(response.into_body(), LONGEST_ANSWER, &mut body).await;
        let answer = whole.and_then(|()| understood(status, &body));
        answer.map_err(|why| format!("{host}: {why}{}", self.advice(status)))
    }

    async fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let Prometheus { url, token_file, .. } = &self.prometheus;
        let url = format!("{}/api/v1/query?query={}", url.trim_end_matches('/'), percent_encoded(&self.text));
        let mut request = Request::get(url).header(header::ACCEPT, "application/json");
        if let Some(path) = token_file.clone() {
            request = request.header(header::AUTHORIZATION, in_time(move || credentials(&path)).await?);
        }
        request.body(Full::default()).map_err(|error| error.to_string())
    }

    fn advice(&self, status: StatusCode) -> &'static str {
        match (status, &self.prometheus.token_file) {
            (StatusCode::UNAUTHORIZED, None) => "; give it a `tokenFile`",
            (StatusCode::UNAUTHORIZED, Some(_)) => "; it does not take the token of `tokenFile`",
            (StatusCode::NOT_FOUND, _) => "; `url` has to be the server's base, without `/api/v1`",
            (status, _) if status.is_redirection() => "; redirects are not followed: give `url` where it leads",
            _ => "",
        }
    }
}

/// Has a thread that may wait read a file: a file system that hangs then costs this question and no other.
async fn in_time<T: Send + 'static>(read: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    spawn_blocking(read).await.map_err(|error| error.to_string())?
}

/// The `Authorization` field for the token in the file at `path`.
fn credentials(path: &Path) -> Result<HeaderValue, String> {
    let wrong = |what: &str| format!("tokenFile {}: {what}", path.display());
    let mut token = String::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(LONGEST_TOKEN as u64 + 1).read_to_string(&mut token));
    read.map_err(|error| wrong(&cause(&error)))?;
    let token = token.trim();
    if token.is_empty() || token.len() > LONGEST_TOKEN {
        return Err(wrong("it has to hold one token"));
    }
    let field = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut field = field.map_err(|_| wrong("what it holds is no token"))?;
    field.set_sensitive(true);
    Ok(field)
}

/// What the server's JSON has around every answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

/// What an answer comes to.
fn understood(status: StatusCode, body: &[u8]) -> Answer {
    let envelope = serde_json::from_slice::<Envelope>(body);
    if let Ok(Envelope { error: Some(error), error_type, .. }) = &envelope {
        let kind = error_type.as_deref().unwrap_or("error");
        return Err(clean(&format!("{kind}: {error}")));
    }
    if !status.is_success() {
        let line = first_line(body);
        return Err(if line.is_empty() { status.to_string() } else { format!("{status}: {line}") });
    }
    let data = envelope.ok().and_then(|envelope| envelope.data);
    let data = data.ok_or("the answer is not Prometheus' JSON; is `url` that of a Prometheus server?")?;
    let sample = match (data.result_type.as_str(), &data.result) {
        ("scalar", sample) => sample,
        ("vector", Value::Array(series)) => match series.as_slice() {
            [] => return Ok(None),
            [one] => &one["value"],
            many => {
                let many = many.len();
                return Err(format!("the query gives {many} series, it must give one: aggregate it, as with sum()"));
            }
        },
        (other, _) => return Err(format!("the query gives a {}, it must give one number", clean(other))),
    };
    let value = sample[1].as_str().and_then(|text| text.parse::<f64>().ok());
    let value = value.ok_or("the query does not give a number; a histogram needs histogram_quantile() or the like")?;
    Ok(Some(value).filter(|value| value.is_finite()))
}

/// `template` with each name replaced by its value; what a value contains is not looked at again.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let (mut filled, mut rest) = (String::with_capacity(template.len()), template);
    while let Some(at) = rest.find("{{") {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let (name, value) = values
            .iter()
            .find(|(name, _)| rest.starts_with(name))
            .map_or(("{{", "{{"), |(name, value)| (*name, value.as_str()));
        filled.push_str(value);
        rest = &rest[name.len()..];
    }
    filled + rest
}

/// `value` as it may stand in any of `PromQL`'s quotes and mean itself: as `\x` and two digits where it would end the
/// quote or escape something, since `\'` is an error between double quotes and `\"` one between single ones.
fn escaped(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, c| {
        match c {
            '"' | '\'' | '`' | '\\' | '\0'..='\x1f' => write!(text, "\\x{:02x}", u32::from(c)).expect("into memory"),
            c => text.push(c),
        }
        text
    })
}

/// Everything but RFC 3986's unreserved characters as `%` and two digits.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 2), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("into memory"),
        }
        encoded
    })
}

#[cfg(test)]
mod tests;
