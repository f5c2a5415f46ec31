//! Endpoints that are asked by gRPC's health service.

use super::{Server, grpcio};
use crate::harness::{Serin, eventually, everything_to};

#[test]
fn an_endpoint_is_used_while_its_health_service_says_that_it_serves() {
    let Some(python) = grpcio() else { return };
    let mut server = Server::start(&python);
    let health =
        "health: { grpc: { service: test.Peer }, interval: 100ms, healthyThreshold: 1, unhealthyThreshold: 1 }";
    let config = everything_to(server.address).replace("version: \"1\",", &format!("version: \"1\", {health},"));
    let serin = Serin::start(&config);
    let state = |state| serin.count("serin_endpoints", &[("state", state)]);
    assert_eq!(state("ready"), 1, "readiness waits for the first answer");
    for (says, why) in [("2", "the answer is NOT_SERVING"), ("3", "the answer is SERVICE_UNKNOWN"), ("0", "UNKNOWN")] {
        server.peer.tell(says);
        eventually("it is out", || state("unhealthy") == 1);
        eventually("the log says why", || serin.process.log.text().contains(why));
        server.peer.tell("1");
        eventually("it is back", || state("ready") == 1);
    }
    drop(server);
    eventually("it is gone", || state("unhealthy") == 1);
}
