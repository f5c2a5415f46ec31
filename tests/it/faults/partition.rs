//! A network that drops packets without a word, between the proxy and an endpoint on another machine.

use super::clients::Clients;
use super::endpoint::Endpoint;
use super::figures::{Memory, record};
use super::network::Network;
use super::{HEALTH, await_endpoints, backend, factor};
use crate::harness::{Serin, eventually};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CLIENTS: usize = 8;

#[test]
fn a_partition_costs_no_idempotent_request_and_is_over_when_it_heals() {
    let Some(network) = Network::join() else { return };
    let far = SocketAddr::from((network.theirs(), 0));
    let far = Endpoint::start_at("far", far, network.launcher());
    let near = ["near-1", "near-2"].map(Endpoint::start);
    let config = backend(near.iter().chain([&far]).map(Endpoint::address), HEALTH);
    let mut serin = Serin::start(&format!("{config}timeouts: {{ connect: 500ms, responseHead: 1s }}\n"));
    let mut memory = Memory::watch(&serin);
    let clients = Clients::start(serin.address(), CLIENTS);
    for round in 0..2 * factor() {
        let served = clients.served("far");
        eventually("the far endpoint serves", || clients.served("far") > served + 20);
        let both_ways = round % 2 == 0;
        if both_ways {
            network.cut();
        } else {
            network.mute();
        }
        let cut = Instant::now();
        await_endpoints(&serin, "unhealthy", 1);
        let answered = clients.answered();
        // And those that were sent there have waited as long as they may.
        eventually("the near ones serve on", || {
            clients.answered() > answered + 500 && cut.elapsed() > Duration::from_millis(1_800)
        });
        if both_ways {
            network.connect();
        } else {
            network.unmute();
        }
        await_endpoints(&serin, "ready", 3);
    }
    let tally = clients.stop();
    memory.look(&serin);
    let beside = format!("{} times cut, {} times muted", factor(), factor());
    record("an endpoint cut off and reached again", &tally, &serin, &memory, &beside);
    // Each client may have a request there when the network is cut, and one more before the endpoint is out.
    tally.assert_none_lost();
    tally.assert_posts_lost_at_most(2 * CLIENTS * 2 * factor(), &["504 response-head-timeout"]);
    tally.assert_posted_once(near.iter().chain([&far]).flat_map(Endpoint::arrived));
    memory.assert_grew_at_most(16);
}
