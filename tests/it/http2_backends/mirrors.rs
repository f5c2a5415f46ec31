//! Copies for a backend that speaks HTTP/2, and of requests to one.

use super::peer::{Call, Peer, response};
use crate::harness::{Backend, Serin};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::mpsc;

const POST: &str = "POST /shop?x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const PUT: &str = "PUT /shop HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nhel\r\n2\r\nlo\r\n0\r\nx-sum: 5\r\n\r\n";

fn mirroring(main: (SocketAddr, &str), mirror: (SocketAddr, &str)) -> Serin {
    let backend = |name: &str, (address, protocol): (SocketAddr, &str)| {
        format!(
            "  - {{ name: {name}, version: \"1\", protocol: {protocol}, endpoints: {{ static: [\"{address}\"] }} }}\n"
        )
    };
    let rule = "filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: mirror } } }], backendRefs: [{ name: main }]";
    let (main, mirror) = (backend("main", main), backend("mirror", mirror));
    let config = format!("backends:\n{main}{mirror}routes: [{{ name: web, rules: [{{ name: shop, {rule} }}] }}]\n");
    Serin::start_with(&config, &["--workers", "1"], &[])
}

fn await_answered(serin: &Serin, count: u64) {
    serin.await_count("serin_mirrored_requests_total", &[("outcome", "answered")], count);
}

#[test]
fn a_copy_is_sent_over_http2_with_its_trailers_and_the_connection_is_used_again() {
    let main = Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let (seen, requests) = mpsc::channel();
    let mirror = Peer::start(move |mut call: Call| {
        let seen = seen.clone();
        async move {
            let (content, trailers) = call.whole().await?;
            let sum = trailers.and_then(|trailers| trailers.get("x-sum").cloned());
            seen.send((content, sum)).expect("the test waits for it");
            // More than a window, so that it has to be read.
            let mut sends = call.begin(response(500))?;
            super::peer::send_all(&mut sends, Bytes::from(vec![b'r'; 300_000])).await?;
            sends.send_data(Bytes::new(), true)
        }
    });
    let mut serin = mirroring((main.address(), "http1"), (mirror.address(), "http2"));
    let mut client = serin.client();
    for (number, request, content, sum) in
        [(1, POST, "hello", None), (2, PUT, "hello", Some("5")), (3, "GET /shop HTTP/1.1\r\nHost: a\r\n\r\n", "", None)]
    {
        client.send(request);
        assert_eq!(client.response().text(), "ok");
        await_answered(&serin, number);
        let (copied, copied_sum) = requests.try_recv().expect("it was answered");
        assert_eq!((&copied[..], copied_sum.as_ref().map(|sum| sum.to_str().unwrap())), (content.as_bytes(), sum));
    }
    let heads = mirror.heads();
    assert_eq!((heads[0].method.as_str(), heads[0].uri.path_and_query().unwrap().as_str()), ("POST", "/shop?x"));
    assert_eq!(mirror.connections(), 1);
    assert_eq!(serin.count("serin_requests_total", &[("backend", "mirror")]), 0);
}

#[test]
fn a_copy_of_a_request_to_an_http2_backend_is_whole_too() {
    let main = Peer::start(async |mut call: Call| {
        call.whole().await?;
        call.reply(200, "ok")
    });
    let mirror = Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    let mut serin = mirroring((main.address(), "http2"), (mirror.address(), "http1"));
    let mut client = serin.client();
    for (number, request) in [(1, POST), (2, PUT)] {
        client.send(request);
        assert_eq!(client.response().text(), "ok");
        await_answered(&serin, number);
    }
    let copies = mirror.requests();
    assert!(copies.iter().all(|copy| copy.body == b"hello"), "{copies:?}");
    assert_eq!(copies[1].trailers, [("x-sum".to_owned(), "5".to_owned())]);
    assert!(mirror.crooked().is_empty(), "{:?}", mirror.crooked());
}

#[test]
fn a_copy_whose_stream_is_reset_failed_and_nothing_else_did() {
    let main = Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mirror = Peer::start(async |call: Call| {
        call.reset(h2::Reason::REFUSED_STREAM);
        Ok(())
    });
    let mut serin = mirroring((main.address(), "http1"), (mirror.address(), "http2"));
    let mut client = serin.client();
    for _ in 0..5 {
        client.send(POST);
        assert_eq!(client.response().text(), "ok");
    }
    serin.await_count("serin_mirrored_requests_total", &[("outcome", "failed")], 5);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}
