//! How many connections there are, and how long they live.

use super::front;
use super::peer::{Call, Peer};
use crate::harness::{Client, eventually};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A backend with so many streams a connection, that answers `/` only when it is let, and everything else at once.
pub(super) fn held(max_streams: Option<u32>) -> (Peer, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let theirs = Arc::clone(&gate);
    let mut settings = h2::server::Builder::new();
    if let Some(most) = max_streams {
        settings.max_concurrent_streams(most);
    }
    let peer = Peer::start_with(&settings, move |call: Call| {
        let gate = Arc::clone(&theirs);
        async move {
            if call.head.uri.path() == "/" {
                gate.acquire().await.expect("it stays open").forget();
            }
            call.reply(200, "ok")
        }
    });
    (peer, gate)
}

/// As many clients with a request under way.
pub(super) fn ask(address: std::net::SocketAddr, count: usize) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    clients
}

#[test]
fn requests_at_the_same_time_share_one_connection_even_the_first() {
    let (backend, gate) = held(None);
    let mut serin = front(backend.address(), "");
    let mut clients = ask(serin.address(), 80);
    eventually("all are at the backend", || backend.streams() == 80);
    assert_eq!((backend.connections(), backend.most_streams()), (1, 80));
    assert_eq!(serin.count("serin_connections", &[("side", "upstream")]), 1);
    gate.add_permits(80);
    assert!(clients.iter_mut().all(|client| client.response().text() == "ok"));
}

#[test]
fn a_connection_has_no_more_streams_than_its_peer_allows_and_others_are_opened_instead() {
    for (most, clients, connections) in [(1, 5, 5), (10, 35, 4)] {
        let (backend, gate) = held(Some(most));
        let mut serin = front(backend.address(), "");
        let mut clients = ask(serin.address(), clients);
        eventually("all are at the backend", || backend.streams() == clients.len());
        assert_eq!(backend.most_streams(), usize::try_from(most).unwrap());
        // How many wait for the first connection before its limit is known, nobody can say.
        assert!((connections..=clients.len()).contains(&backend.connections()), "{}", backend.connections());
        gate.add_permits(clients.len());
        assert!(clients.iter_mut().all(|client| client.response().text() == "ok"));
    }
}

#[test]
fn more_streams_than_one_connection_carries_take_another() {
    let (backend, gate) = held(Some(1_000));
    let mut serin = front(backend.address(), "");
    let mut clients = ask(serin.address(), 250);
    eventually("all are at the backend", || backend.streams() == 250);
    assert_eq!((backend.connections(), backend.most_streams()), (3, 100));
    gate.add_permits(250);
    assert!(clients.iter_mut().all(|client| client.response().text() == "ok"));
}

#[test]
fn above_the_ceiling_of_connections_a_request_is_refused_at_once() {
    let (backend, gate) = held(Some(2));
    let mut serin = front(backend.address(), "circuitBreaker: { maxConnections: 2 }");
    let mut clients = ask(serin.address(), 4);
    eventually("all are at the backend", || backend.streams() == 4);
    let refused = serin.client().get("/");
    assert_eq!((refused.status, refused.head.one("x-serin-reason")), (503, Some("overload")));
    gate.add_permits(5);
    assert!(clients.iter_mut().all(|client| client.response().text() == "ok"));
    assert_eq!(serin.client().get("/").text(), "ok", "there is room again");
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_connection_carries_so_many_requests_and_no_more() {
    let backend = Peer::counting();
    let mut serin = front(backend.address(), "maxRequestsPerConnection: 5");
    let mut client = serin.client();
    for n in 0..20 {
        assert_eq!(client.get("/").text(), format!("{} {n}", n / 5));
    }
    eventually("the worn ones are closed", || backend.open() <= 1);
    assert_eq!(backend.connections(), 4);
}

#[test]
fn a_connection_that_is_old_enough_takes_no_more_streams_and_those_that_it_has_end_well() {
    let (backend, gate) = held(None);
    let mut serin = front(backend.address(), "maxConnectionAge: 1s");
    let mut early = ask(serin.address(), 1).remove(0);
    eventually("it is at the backend", || backend.streams() == 1);
    let mut client = serin.client();
    eventually("there is another connection", || {
        assert_eq!(client.get("/at-once").text(), "ok");
        backend.connections() > 1
    });
    assert_eq!(backend.open(), 2, "it still has a stream");
    gate.add_permits(1);
    assert_eq!(early.response().text(), "ok");
    eventually("the old one is closed", || backend.open() == 1);
}
