//! gRPC's health question (gRPC's `doc/health-checking.md`): one unary call of `grpc.health.v1.Health/Check`, over an
//! HTTP/2 connection of its own.

mod messages;

pub(super) use messages::ServingStatus;

use super::ask::Unwell;
use super::http2::answer;
use crate::http::grpc;
use crate::net::Stream;
use crate::stats::{GrpcEnd, GrpcStatus};
use bytes::{Bytes, BytesMut};
use h2::client::{Builder, Connection, SendRequest};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, Request, Response};
use messages::{decode, encode};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

/// More than any answer to this question needs.
const LONGEST_ANSWER: usize = 4 << 10;
const MOST_HEADER_BYTES: u32 = 16 << 10;

/// Puts the question about `service` on `stream`, which has just been connected to `address`. The connection is given
/// back, to be ended.
pub(super) async fn check(
    stream: Stream,
    address: SocketAddr,
    service: &str,
    patience: Duration,
) -> Result<(Connection<Stream>, Result<(), Unwell>), Unwell> {
    let scheme = if stream.is_secure() { "https" } else { "http" };
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(MOST_HEADER_BYTES);
    let (sender, mut connection) = builder.handshake(stream).await.map_err(Unwell::Http2)?;
    let request = Request::post(format!("{scheme}://{address}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, "serin-health")
        .header("grpc-timeout", format!("{}m", patience.as_millis().clamp(1, 99_999_999)))
        .body(())
        .expect("every part is valid");
    let call = pin!(call(sender, request, encode(service)));
    let well = answer(call, &mut connection).await;
    Ok((connection, well))
}

async fn call(sender: SendRequest<Bytes>, request: Request<()>, message: Bytes) -> Result<(), Unwell> {
    let mut sender = sender.ready().await.map_err(Unwell::Http2)?;
    let (response, mut body) = sender.send_request(request, false).map_err(Unwell::Http2)?;
    body.send_data(message, true).map_err(Unwell::Http2)?;
    let response = response.await.map_err(Unwell::Http2)?;
    // Trailers without content are sent in the head's place.
    if let Some(end) = status(response.headers()) {
        well(end)?;
    }
    is_grpc(&response)?;
    let mut content = response.into_body();
    let mut message = BytesMut::new();
    while let Some(bytes) = content.data().await {
        let bytes = bytes.map_err(Unwell::Http2)?;
        if message.len() + bytes.len() > LONGEST_ANSWER {
            return Err(Unwell::NoHealth);
        }
        // Within the window that every stream begins with, so none has to be given back.
        message.extend_from_slice(&bytes);
    }
    let trailers = content.trailers().await.map_err(Unwell::Http2)?.unwrap_or_default();
    well(status(&trailers).unwrap_or(GrpcEnd::Missing))?;
    match decode(&message) {
        Some(ServingStatus::Serving) => Ok(()),
        Some(serving) => Err(Unwell::Serving(serving)),
        None => Err(Unwell::NoHealth),
    }
}

fn is_grpc(response: &Response<h2::RecvStream>) -> Result<(), Unwell> {
    let code = response.status().as_u16();
    if code != 200 {
        return Err(Unwell::Status(code));
    }
    let is_grpc = response.headers().get(CONTENT_TYPE).is_some_and(|value| grpc::is_grpc(value.as_bytes()));
    if is_grpc { Ok(()) } else { Err(Unwell::NotGrpc) }
}

fn status(fields: &HeaderMap) -> Option<GrpcEnd> {
    fields.get("grpc-status").map(|value| grpc::parse_status(value.as_bytes()))
}

fn well(end: GrpcEnd) -> Result<(), Unwell> {
    match end {
        GrpcEnd::Status(GrpcStatus::Ok) => Ok(()),
        end => Err(Unwell::Grpc(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Question, ask};
    use super::*;
    use crate::plan::{Endpoint, HealthQuestion};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(20);

    const FIELDS: [(&str, &str); 1] = [("content-type", "application/grpc")];
    const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";

    /// What a server does with a question.
    enum Does {
        /// Answers with this HTTP status, content and trailers.
        Answers(u16, &'static [(&'static str, &'static str)], &'static [u8], &'static [(&'static str, &'static str)]),
        /// Answers with a head that is all.
        Ends(u16, &'static [(&'static str, &'static str)]),
        Resets,
        Hangs,
    }

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// What is learnt from a server that `does` this.
    async fn learnt(does: Does) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new(listener.local_addr().unwrap());
        let serve = tokio::spawn(async move {
            let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
            let mut kept = Vec::new();
            while let Some(asked) = connection.accept().await {
                let Ok((request, mut respond)) = asked else { break };
                let (head, mut body) = request.into_parts();
                assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/grpc.health.v1.Health/Check"));
                for (name, value) in
                    [("te", "trailers"), ("content-type", "application/grpc"), ("grpc-timeout", "300m")]
                {
                    assert_eq!(head.headers[name], value);
                }
                assert_eq!(body.data().await.unwrap().unwrap(), encode("shop.Orders"));
                let mut response = Response::builder();
                match does {
                    Does::Answers(code, heads, content, trailers) => {
                        *response.headers_mut().unwrap() = fields(heads);
                        let response = response.status(code).body(()).unwrap();
                        let mut out = respond.send_response(response, false).unwrap();
                        out.send_data(Bytes::from_static(content), trailers.is_empty()).unwrap();
                        if !trailers.is_empty() {
                            out.send_trailers(fields(trailers)).unwrap();
                        }
                    }
                    Does::Ends(code, heads) => {
                        *response.headers_mut().unwrap() = fields(heads);
                        respond.send_response(response.status(code).body(()).unwrap(), true).unwrap();
                    }
                    Does::Resets => respond.send_reset(h2::Reason::REFUSED_STREAM),
                    Does::Hangs => kept.push(respond),
                }
            }
        });
        let (mut learnt, question) = (None, Question::Asks(HealthQuestion::Grpc("shop.Orders".into())));
        ask(&endpoint, &question, Duration::from_millis(300), |well| learnt = Some(well)).await;
        // Whoever asked has taken its leave.
        serve.await.unwrap();
        learnt.unwrap().map_or_else(|unwell| unwell.to_string(), |()| "well".into())
    }

    #[tokio::test]
    async fn serving_is_well_and_everything_else_is_not() {
        let ok = &[("grpc-status", "0")][..];
        for (does, expected) in [
            (Does::Answers(200, &FIELDS, SERVING, ok), "well"),
            (Does::Answers(200, &FIELDS, b"\0\0\0\0\x02\x08\x02", ok), "the answer is NOT_SERVING"),
            (Does::Answers(200, &FIELDS, b"\0\0\0\0\0", ok), "the answer is UNKNOWN"),
            (Does::Answers(200, &FIELDS, b"", ok), "the answer is not one of gRPC's health service"),
            (Does::Answers(200, &FIELDS, SERVING, &[]), "the answer ends with the gRPC status none"),
            (
                Does::Answers(200, &FIELDS, SERVING, &[("grpc-status", "14")]),
                "the answer ends with the gRPC status UNAVAILABLE",
            ),
            (Does::Answers(200, &[], SERVING, ok), "the answer is not gRPC"),
            (Does::Answers(503, &FIELDS, SERVING, ok), "the answer is 503"),
            (
                Does::Ends(200, &[("content-type", "application/grpc"), ("grpc-status", "5")]),
                "the answer ends with the gRPC status NOT_FOUND",
            ),
            (Does::Ends(404, &[]), "the answer is 404"),
            (Does::Hangs, "no answer within 300ms"),
        ] {
            assert_eq!(learnt(does).await, expected);
        }
        let reset = learnt(Does::Resets).await;
        assert!(reset.starts_with("HTTP/2: "), "{reset}");
    }

    /// However early a connection is over, that is known at once, and not when the patience has run out.
    #[tokio::test]
    async fn a_server_that_speaks_something_else_or_hangs_up_is_not_well_at_once() {
        const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
        const GOAWAY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let cases: [(&[u8], usize); 7] = [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", 1),
            (b"", 0),
            (b"", 1),
            (SETTINGS, 0),
            (SETTINGS, 1),
            (&[SETTINGS, GOAWAY].concat(), 0),
            (&[SETTINGS, GOAWAY].concat(), 1),
        ];
        for (reply, reads) in cases {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = Endpoint::new(listener.local_addr().unwrap());
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                for _ in 0..reads {
                    let _ = stream.read(&mut [0; 4_096]).await;
                }
                stream.write_all(reply).await.unwrap();
            };
            let question = Question::Asks(HealthQuestion::Grpc("".into()));
            let mut learnt = None;
            let asked = ask(&endpoint, &question, PATIENCE, |well| learnt = Some(well));
            tokio::join!(asked, serve);
            let why = learnt.unwrap().expect_err("nobody said that it serves").to_string();
            assert!(!why.starts_with("no answer within"), "{why}: {reply:?}, after {reads} reads");
        }
    }
}
