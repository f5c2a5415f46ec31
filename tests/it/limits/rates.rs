//! Requests by client address, in a time.

use super::{assert_refused, front, limited};
use crate::harness::{Client, Response, Serin, eventually};
use std::time::Instant;

/// How many tokens there were at most since `began`, with a burst of `burst` and one more a second.
fn tokens(burst: u64, began: Instant) -> u64 {
    burst + began.elapsed().as_secs() + 1
}

/// Asks until that is too much: how often it was not, and the refusal.
fn ask_until_refused(client: &mut Client) -> (u64, Response) {
    for served in 0..10_000 {
        let response = client.get("/");
        if response.status != 200 {
            return (served, response);
        }
    }
    panic!("nothing is refused");
}

fn refused(serin: &Serin) -> u64 {
    serin.count("serin_refused_requests_total", &[("code", "429")])
}

#[test]
fn a_burst_is_served_and_what_is_above_is_a_429_that_says_when_to_come_again() {
    let (mut serin, backend) = front("requestsPerClient: { perSecond: 1, burst: 5 }");
    let began = Instant::now();
    let mut client = serin.client();
    let (served, response) = ask_until_refused(&mut client);
    assert!((5..=tokens(5, began)).contains(&served), "{served} in {:?}", began.elapsed());
    assert_refused(&response, 429, "rate-limited");
    assert_eq!(response.head.one("retry-after"), Some("1"));
    assert!(response.head.one("connection").is_none(), "the connection goes on");
    assert_eq!(backend.requests().len() as u64, served, "the backend has not heard of it");
    // Nobody's version is charged.
    serin.await_count("serin_requests_total", &[], served);
    assert!(refused(&serin) >= 1);
    let mut others = Client::connect_from("127.0.8.2".parse().unwrap(), serin.address());
    assert_eq!(others.get("/").status, 200, "another client has its own");
    eventually("a token has come", || client.get("/").status == 200);
}

#[test]
fn it_is_one_bucket_over_all_connections_and_workers() {
    let (mut serin, _backend) = front("requestsPerClient: { perSecond: 1, burst: 4 }");
    let mut clients: Vec<_> = (0..16).map(|_| serin.client()).collect();
    let began = Instant::now();
    let served = clients.iter_mut().map(|client| client.get("/")).filter(|response| response.status == 200).count();
    let limit = tokens(4, began);
    assert!((4..=limit).contains(&(served as u64)), "{served}, {limit}");
    assert_eq!(refused(&serin), 16 - served as u64);
}

#[test]
fn a_burst_is_as_much_as_a_second_unless_it_is_said() {
    let (mut serin, _backend) = front("requestsPerClient: { perSecond: 20 }");
    let mut client = serin.client();
    assert!((0..20).all(|_| client.get("/").status == 200));
}

#[test]
fn a_refused_request_with_a_body_ends_its_connection_and_the_next_one_is_read_right() {
    let (mut serin, backend) = front("requestsPerClient: { perSecond: 1, burst: 1 }");
    let mut client = serin.client();
    let (served, _) = ask_until_refused(&mut client);
    // Without a token the body would be taken for the next request, if it were not for the end of the connection.
    let mut smuggler = serin.client();
    eventually("it is refused", || {
        smuggler = serin.client();
        smuggler.send(
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 37\r\n\r\nGET /hidden HTTP/1.1\r\nHost: test\r\n\r\n..",
        );
        smuggler.try_response("POST").is_ok_and(|response| response.status == 429)
    });
    smuggler.assert_closed();
    assert!(backend.requests().iter().all(|request| request.target() == "/"), "{served}");
}

#[test]
fn a_reload_changes_the_rate_at_once_and_lifts_it() {
    let (mut serin, backend) = front("requestsPerClient: { perSecond: 1, burst: 1 }");
    let mut client = serin.client();
    ask_until_refused(&mut client);
    serin.reload(&limited(&backend, "requestsPerClient: { perSecond: 1000, burst: 2000 }"));
    assert!((0..50).all(|_| client.get("/").status == 200));
    serin.reload(&limited(&backend, "headerCount: 100"));
    assert!((0..1_100).all(|_| client.get("/").status == 200));
}
