//! The harness against itself: a test that leans on it is worth no more than it is.

use crate::harness::{Backend, Client, Dns, Load, Service};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

#[test]
fn a_backend_records_what_a_client_sends_and_a_client_reads_every_framing() {
    let backend = Backend::start(|conn| {
        while let Some(request) = conn.request() {
            conn.send(match request.target() {
                "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n",
                "/sized" => "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                _ => "HTTP/1.1 200 OK\r\n\r\nabc",
            });
            if request.target() == "/close" {
                return;
            }
        }
    });
    let mut client = Client::connect(backend.address());
    for target in ["/chunked", "/sized", "/close"] {
        let response = client.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, "abc"), "{target}");
        assert_eq!(response.trailers.len(), usize::from(target == "/chunked"));
        assert_eq!(response.until_close, target == "/close");
    }
    assert_eq!(backend.requests().len(), 3);
    assert_eq!(backend.connections(), 1);
    assert!(backend.raw()[0].starts_with(b"GET /chunked HTTP/1.1\r\nHost: test\r\n\r\nGET /sized"));
}

#[test]
fn a_crooked_request_is_noted_and_not_counted_as_one() {
    let backend = Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for crooked in ["Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "a: b\nc: d\r\n\r\n", " x: y\r\n\r\n"] {
        let mut client = Client::connect(backend.address());
        client.send(format!("GET / HTTP/1.1\r\n{crooked}"));
        client.assert_closed();
    }
    assert_eq!(backend.crooked().len(), 3, "{:?}", backend.crooked());
    assert!(backend.requests().is_empty());
}

#[test]
fn a_reset_and_a_cut_body_are_told_from_a_clean_end() {
    let backend = Backend::start(|conn| {
        let Some(request) = conn.request() else { return };
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        if request.target() == "/reset" {
            conn.reset();
        }
    });
    for (target, kind) in [("/cut", ErrorKind::UnexpectedEof), ("/reset", ErrorKind::ConnectionReset)] {
        let mut client = Client::connect(backend.address());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(client.try_response("GET").unwrap_err().kind(), kind, "{target}");
    }
}

#[test]
fn a_service_fails_exactly_as_often_as_it_is_told() {
    let service = Service::start("stable");
    service.fail(30);
    let report = Load::limited(service.address(), 4, Duration::ZERO, 200).join();
    assert_eq!(report.from("stable"), 140);
    assert_eq!(report.refusals[&(500, "stable".to_owned())], 60);
    assert_eq!((service.requests(), service.served().iter().filter(|s| s.failed).count()), (200, 60));
    assert_eq!(service.connections(), 4);
}

#[test]
fn the_name_server_answers_for_the_names_that_it_knows() {
    let dns = Dns::start();
    dns.set("a.test", &[Ipv4Addr::new(127, 0, 0, 9)]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for (name, code, octets) in [(b"\x01a\x04test\0", 0, Some([127, 0, 0, 9])), (b"\x01b\x04test\0", 3, None)] {
        let query = [&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &[0, 1, 0, 1]].concat();
        socket.send_to(&query, dns.address()).unwrap();
        let mut answer = [0; 512];
        let n = socket.recv(&mut answer).unwrap();
        assert_eq!((answer[3] & 15, &answer[..2]), (code, &[7, 7][..]));
        assert_eq!(octets.map(|o| o.to_vec()), octets.map(|_| answer[n - 4..n].to_vec()));
    }
}
