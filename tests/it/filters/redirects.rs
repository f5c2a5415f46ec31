//! `RequestRedirect`.

use crate::harness::{Serin, everything_to};

/// A rule that redirects what is below `/old`, beside one that forwards to a backend that nobody reaches.
fn redirecting(redirect: &str, more: &str) -> Serin {
    let config = everything_to("127.0.0.1:1".parse().unwrap()).replace(
        "    rules:\n",
        &format!(
            "    rules:\n      - name: moved\n        matches: [{{ path: {{ value: /old }} }}]\n        \
             filters: [{{ type: RequestRedirect, requestRedirect: {{ {redirect} }} }}{more}]\n"
        ),
    );
    Serin::start(&config)
}

#[test]
fn clients_are_sent_on_and_their_connections_stay() {
    let mut serin = redirecting("path: { type: ReplacePrefixMatch, replacePrefixMatch: /new }", "");
    let port = serin.address().port();
    let mut client = serin.client();
    for (host, asked, expected) in [
        (format!("a.example:{port}"), "/old/x?y=1", format!("http://a.example:{port}/new/x?y=1")),
        ("a.example".to_owned(), "/old", "http://a.example/new".to_owned()),
    ] {
        client.send(format!("GET {asked} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = client.response();
        assert_eq!((answer.status, answer.head.one("location")), (302, Some(&*expected)));
        assert_eq!((answer.head.one("x-serin-reason"), &answer.body[..]), (Some("redirect"), &b""[..]));
    }
    client.send("HEAD /old HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.try_response("HEAD").unwrap().status, 302);
    client.send("POST /old HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.response();
    assert_eq!((answer.status, answer.head.one("connection")), (302, Some("close")), "what it sends is not read");
    client.assert_closed();
    serin.await_count("serin_redirects_total", &[("code", "302")], 4);
    assert_eq!(serin.count("serin_refused_requests_total", &[]), 0);
    assert_eq!(serin.count("serin_requests_total", &[]), 0, "no version is charged");
}

#[test]
fn a_redirect_is_as_it_is_written() {
    let more = ", { type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: x-tier, value: a }] } }";
    let mut serin = redirecting("scheme: https, hostname: b.example, port: 8443, statusCode: 308", more);
    let answer = serin.client().get("/old/x");
    assert_eq!((answer.status, answer.head.one("location")), (308, Some("https://b.example:8443/old/x")));
    assert_eq!(answer.head.one("x-tier"), Some("a"));
}
