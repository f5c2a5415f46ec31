//! A process that is stopped: the kernel goes on to accept for it, and nothing is ever answered.

use super::clients::Clients;
use super::endpoint::Endpoint;
use super::figures::{Memory, record};
use super::{HEALTH, await_endpoints, backend, factor};
use crate::harness::{Serin, eventually};
use std::time::{Duration, Instant};

const CLIENTS: usize = 8;

#[test]
fn a_frozen_endpoint_costs_no_idempotent_request_and_serves_again_when_it_thaws() {
    let rounds = 3 * factor();
    let endpoints = ["a", "b", "frozen"].map(Endpoint::start);
    let config = backend(endpoints.iter().map(Endpoint::address), HEALTH);
    let mut serin = Serin::start(&format!("{config}timeouts: {{ responseHead: 1s }}\n"));
    let mut memory = Memory::watch(&serin);
    let clients = Clients::start(serin.address(), CLIENTS);
    for _ in 0..rounds {
        let served = clients.served("frozen");
        eventually("it serves", || clients.served("frozen") > served + 20);
        endpoints[2].signal("STOP");
        let stopped = Instant::now();
        await_endpoints(&serin, "unhealthy", 1);
        let answered = clients.answered();
        // And those that were sent to it have waited as long as they may.
        eventually("the others serve on", || {
            clients.answered() > answered + 200 && stopped.elapsed() > Duration::from_millis(1_500)
        });
        endpoints[2].signal("CONT");
        await_endpoints(&serin, "ready", 3);
    }
    let tally = clients.stop();
    memory.look(&serin);
    record("an endpoint frozen and thawed", &tally, &serin, &memory, &format!("{rounds} times"));
    // Each client may have a request there when it freezes, and one more before it is out.
    tally.assert_none_lost();
    tally.assert_posts_lost_at_most(2 * CLIENTS * rounds, &["504 response-head-timeout"]);
    tally.assert_posted_once(endpoints.iter().flat_map(Endpoint::arrived));
    memory.assert_grew_at_most(16);
}
