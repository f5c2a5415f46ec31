//! Endpoints that are killed and started again.

use super::clients::Clients;
use super::endpoint::Endpoint;
use super::figures::{Memory, record};
use super::{backend, factor};
use crate::harness::{Serin, eventually};

const VICTIMS: usize = 12;

#[test]
fn a_hundred_killed_endpoints_cost_no_idempotent_request_and_do_nothing_twice() {
    let kills = 100 * factor();
    let survivor = Endpoint::start("survivor");
    let mut victims: Vec<_> = (0..VICTIMS).map(|n| Endpoint::start(&format!("victim-{n}"))).collect();
    let addresses = victims.iter().chain([&survivor]).map(Endpoint::address);
    let mut serin = Serin::start(&backend(addresses, ""));
    let mut memory = Memory::watch(&serin);
    let clients = Clients::start(serin.address(), 8);
    // An endpoint that has served since it came back is worth killing: connections to it are open, and requests on them.
    let served = |n: usize| clients.served(&format!("victim-{n}"));
    let mut before = [0; VICTIMS];
    let mut killed = 0;
    for round in 0.. {
        let mut warm: Vec<_> = (0..VICTIMS).filter(|n| served(*n) > before[*n] + 3).collect();
        if round % 4 > 0 {
            warm.truncate(1);
        }
        for n in &warm {
            victims[*n].kill();
        }
        killed += warm.len();
        let answered = clients.answered();
        eventually("requests are answered", || clients.answered() > answered + 20);
        for n in warm {
            before[n] = served(n);
            victims[n].restart();
        }
        if killed >= kills {
            break;
        }
    }
    let tally = clients.stop();
    memory.look(&serin);
    record("endpoints killed and restarted", &tally, &serin, &memory, &format!("{killed} kills"));
    tally.assert_none_lost();
    // Those of the others that were sent; each client may have had one at each endpoint that died.
    tally.assert_posts_lost_at_most(killed, &["502 reset"]);
    tally.assert_posted_once(victims.iter().chain([&survivor]).flat_map(Endpoint::arrived));
    memory.assert_grew_at_most(16);
}
