//! The health question to an endpoint that speaks HTTP/2: a `GET` on a connection of its own.

use super::ask::Unwell;
use crate::net::Stream;
use futures_util::FutureExt;
use h2::client::{Builder, Connection, SendRequest};
use http::Request;
use http::header::{ACCEPT, USER_AGENT};
use std::net::SocketAddr;
use std::pin::{Pin, pin};

/// More than the head of any answer to this question needs.
const MOST_HEADER_BYTES: u32 = 64 << 10;

/// The status of what is answered to a `GET` of `path` on `stream`, which has just been connected to `address`. The
/// connection is given back, to be ended.
pub(super) async fn get(stream: Stream, address: SocketAddr, path: &str) -> Result<(Connection<Stream>, u16), Unwell> {
    let scheme = if stream.is_secure() { "https" } else { "http" };
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(MOST_HEADER_BYTES);
    let (sender, mut connection) = builder.handshake(stream).await.map_err(Unwell::Http2)?;
    let request = Request::get(format!("{scheme}://{address}{path}"));
    let request = request.header(USER_AGENT, "serin-health").header(ACCEPT, "*/*").body(());
    let call = pin!(call(sender, request.map_err(|_| Unwell::NotHttp)?));
    let code = answer(call, &mut connection).await?;
    Ok((connection, code))
}

/// What `call` ends with on `connection`, which it is not waited for beyond: a call that was not begun when its connection
/// was over would never end.
pub(super) async fn answer<T>(
    mut call: Pin<&mut impl Future<Output = Result<T, Unwell>>>,
    connection: &mut Connection<Stream>,
) -> Result<T, Unwell> {
    let over = tokio::select! {
        answer = &mut call => return answer,
        over = connection => over,
    };
    // What had come before the connection was over counts.
    match (call.now_or_never(), over) {
        (Some(answer), _) => answer,
        (None, Err(error)) => Err(Unwell::Http2(error)),
        (None, Ok(())) => Err(Unwell::Closed),
    }
}

async fn call(sender: SendRequest<bytes::Bytes>, request: Request<()>) -> Result<u16, Unwell> {
    let mut sender = sender.ready().await.map_err(Unwell::Http2)?;
    let (response, _) = sender.send_request(request, true).map_err(Unwell::Http2)?;
    // The content is of no interest: with its stream it is given up.
    Ok(response.await.map_err(Unwell::Http2)?.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Question, ask};
    use crate::plan::{Endpoint, HealthQuestion, Protocol};
    use http::{Response, StatusCode};
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn ask_at(listener: &TcpListener) -> String {
        let mut endpoint = Endpoint::new(listener.local_addr().unwrap());
        endpoint.protocol = Protocol::Http2;
        let mut learnt = None;
        let question = Question::Asks(HealthQuestion::Get("/healthz?deep=1".into()));
        ask(&endpoint, &question, Duration::from_secs(10), |well| learnt = Some(well)).await;
        learnt.unwrap().map_or_else(|unwell| unwell.to_string(), |()| "well".into())
    }

    #[tokio::test]
    async fn an_answer_from_200_to_399_is_well_and_everything_else_is_not() {
        for (code, expected) in [(204, "well"), (301, "well"), (404, "the answer is 404"), (503, "the answer is 503")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let serve = async {
                let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
                let (request, mut respond) = connection.accept().await.unwrap().unwrap();
                assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/healthz"));
                let mut response = Response::new(());
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
                respond.send_response(response, true).unwrap();
                // Whoever asked takes its leave.
                assert!(connection.accept().await.is_none_or(|next| next.is_err()));
            };
            let (learnt, ()) = tokio::join!(ask_at(&listener), serve);
            assert_eq!(learnt, expected);
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_speaks_something_else_is_not_well() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        };
        let (learnt, ()) = tokio::join!(ask_at(&listener), serve);
        assert!(learnt.starts_with("HTTP/2: ") || learnt.contains("broke"), "{learnt}");
    }
}
