//! Discovery against a name server that says what it is told to.

use super::{Discovered, Discovery, Pace};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// What the server says of every name.
#[derive(Clone)]
enum Says {
    Ips(&'static [&'static str]),
    NoSuchName,
    Failure,
}

/// A name server on loopback. Every TTL is 0, so that only the pace sets the time.
struct NameServer {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: watch::Receiver<u64>,
}

impl NameServer {
    async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let (count, asked) = watch::channel(0);
        let script = Arc::clone(&says);
        tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let answer = answer(Message::from_vec(&buffer[..length]).unwrap(), &script.lock().unwrap());
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
                count.send_modify(|n| *n += 1);
            }
        });
        Self { address, says, asked }
    }

    fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// Waits until it was asked `more` times from now on.
    async fn asked_again(&mut self, more: u64) {
        let until = *self.asked.borrow() + more;
        within(self.asked.wait_for(|n| *n >= until)).await.unwrap();
    }
}

fn answer(query: Message, says: &Says) -> Message {
    let mut answer = query.into_response();
    answer.edns = None;
    let asked = answer.queries[0].clone();
    match says {
        Says::Failure => answer.metadata.response_code = ResponseCode::ServFail,
        Says::NoSuchName => answer.metadata.response_code = ResponseCode::NXDomain,
        Says::Ips(ips) => {
            let data = ips.iter().map(|ip| match ip.parse().unwrap() {
                IpAddr::V4(ip) => RData::A(ip.into()),
                IpAddr::V6(ip) => RData::AAAA(ip.into()),
            });
            let wanted = data.filter(|data| data.record_type() == asked.query_type());
            answer.add_answers(wanted.map(|data| Record::from_rdata(asked.name().clone(), 0, data)));
        }
    }
    answer
}

async fn within<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), event).await.expect("it comes")
}

fn quick() -> Pace {
    let ms = Duration::from_millis;
    Pace { ttl: (ms(5), ms(10)), absent: (ms(5), ms(10)), backoff: (ms(5), ms(10)) }
}

fn names(hosts: &[&str]) -> BTreeSet<(String, u16)> {
    hosts.iter().map(|host| ((*host).to_owned(), 80)).collect()
}

fn watching(server: &NameServer, hosts: &[&str]) -> (Discovery, mpsc::Receiver<Discovered>) {
    let (send, found) = mpsc::channel(16);
    let mut discovery = Discovery::with_pace(&[server.address], send, quick());
    discovery.watch(&names(hosts));
    (discovery, found)
}

async fn next(found: &mut mpsc::Receiver<Discovered>) -> Vec<String> {
    let discovered = within(found.recv()).await.expect("it goes on");
    assert_eq!(discovered.port, 80);
    discovered.addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn both_families_are_found_and_a_change_is_seen_when_the_ttl_is_over() {
    let mut server = NameServer::start(Says::Ips(&["10.0.0.2", "::2", "10.0.0.1"])).await;
    let (_discovery, mut found) = watching(&server, &["canary.test."]);
    assert_eq!(next(&mut found).await, ["10.0.0.1:80", "10.0.0.2:80", "[::2]:80"]);
    server.says(Says::Ips(&["10.0.0.1", "10.0.0.2", "::2"]));
    server.asked_again(8).await;
    assert!(found.try_recv().is_err(), "another order is no change");
    server.says(Says::Ips(&["10.0.0.3"]));
    // The two families are asked for side by side: one may still have been answered as before.
    while next(&mut found).await != ["10.0.0.3:80"] {}
}

#[tokio::test]
async fn a_name_that_appears_late_is_found() {
    let mut server = NameServer::start(Says::NoSuchName).await;
    let (_discovery, mut found) = watching(&server, &["canary.test."]);
    assert!(next(&mut found).await.is_empty());
    server.asked_again(4).await;
    assert!(found.try_recv().is_err(), "said once");
    server.says(Says::Ips(&["10.0.0.1"]));
    assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_name_that_is_gone_or_has_no_records_loses_its_endpoints() {
    let server = NameServer::start(Says::Ips(&["10.0.0.1"])).await;
    let (_discovery, mut found) = watching(&server, &["canary.test."]);
    for gone in [Says::NoSuchName, Says::Ips(&[])] {
        assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);
        server.says(gone);
        assert!(next(&mut found).await.is_empty());
        server.says(Says::Ips(&["10.0.0.1"]));
    }
}

#[tokio::test]
async fn a_server_that_fails_takes_nothing_away() {
    let mut server = NameServer::start(Says::Failure).await;
    let (_discovery, mut found) = watching(&server, &["canary.test."]);
    server.asked_again(4).await;
    assert!(found.try_recv().is_err(), "a failure is no answer");
    server.says(Says::Ips(&["10.0.0.1"]));
    assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);
    server.says(Says::Failure);
    server.asked_again(8).await;
    assert!(found.try_recv().is_err());
    server.says(Says::Ips(&["10.0.0.2"]));
    assert_eq!(next(&mut found).await, ["10.0.0.2:80"]);
}

#[tokio::test]
async fn names_that_stay_go_on_undisturbed_and_names_that_go_are_asked_for_no_more() {
    let mut server = NameServer::start(Says::Ips(&["10.0.0.1"])).await;
    let (mut discovery, mut found) = watching(&server, &["a.test."]);
    assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);
    discovery.watch(&names(&["a.test.", "b.test."]));
    assert_eq!(within(found.recv()).await.unwrap().host, "b.test.", "a.test. is not told anew");
    discovery.watch(&names(&["b.test."]));
    server.says(Says::Ips(&["10.0.0.2"]));
    assert_eq!(within(found.recv()).await.unwrap().host, "b.test.");
    server.asked_again(8).await;
    assert!(found.try_recv().is_err(), "nobody follows a.test. any more");
}

#[tokio::test]
async fn another_name_server_is_asked_from_the_next_watch_on() {
    let old = NameServer::start(Says::Ips(&["10.0.0.1"])).await;
    let new = NameServer::start(Says::Ips(&["10.0.0.2"])).await;
    let (mut discovery, mut found) = watching(&old, &["a.test."]);
    assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);
    discovery.use_nameservers(&[new.address]);
    discovery.watch(&names(&["a.test."]));
    assert_eq!(next(&mut found).await, ["10.0.0.2:80"]);
}

#[test]
fn the_server_in_these_tests_answers_by_type() {
    let mut query = Message::query();
    query.add_query(hickory_resolver::proto::op::Query::query("a.test.".parse().unwrap(), RecordType::AAAA));
    assert_eq!(answer(query, &Says::Ips(&["10.0.0.1", "::1"])).answers.len(), 1);
}
