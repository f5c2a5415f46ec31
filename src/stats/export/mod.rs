//! The counters as Prometheus reads them.
//!
//! Nothing here counts: a [`Collector`] sums the shards when it is asked, and everything that is no sum of a worker's
//! counters comes as [`Facts`] from whoever publishes them. No label takes a value that a client chose: names and
//! versions are the operator's, codes lie within 100 to 599.

mod facts;
mod families;

pub use facts::{CertificateFacts, ConfigFacts, EndpointFacts, Facts, RolloutFacts};

use super::Registry;
use families::Family;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};
use std::sync::Arc;

/// Turns a [`Registry`] and the [`Facts`] into the text of a scrape.
#[derive(Debug)]
pub struct Exporter {
    registry: prometheus::Registry,
}

/// The content type of [`Exporter::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Exporter {
    /// Of `counters`, and of the facts that `facts` gives at each scrape.
    pub fn new(counters: Arc<Registry>, facts: impl Fn() -> Arc<Facts> + Send + Sync + 'static) -> Self {
        let registry = prometheus::Registry::new();
        let serin = Source { counters, facts: Box::new(facts), descs: Family::ALL.map(Family::desc).into() };
        registry.register(Box::new(serin)).expect("the families' names are valid and distinct");
        registry.register(Box::new(ProcessCollector::for_self())).expect("no family of ours begins with process_");
        Self { registry }
    }

    /// One scrape, in Prometheus's text format 0.0.4.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("no family is empty, a Vec takes it all");
        String::from_utf8(text).expect("made of strings")
    }
}

/// What the registry asks at each scrape.
struct Source {
    counters: Arc<Registry>,
    facts: Box<dyn Fn() -> Arc<Facts> + Send + Sync>,
    descs: Vec<Desc>,
}

impl Collector for Source {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = families::of_series(&self.counters.read());
        families.extend(families::of_workers(&self.counters.worker_totals()));
        families.extend(facts::families(&(self.facts)()));
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::HandshakeFailure;
    use crate::stats::{Cause, Exchange, GrpcEnd, GrpcStatus, Rejection, SeriesKey};
    use std::time::Duration;

    fn key(version: &str) -> SeriesKey {
        SeriesKey {
            route: "data-tier".into(),
            rule: "everyone".into(),
            backend: "canary".into(),
            version: version.into(),
        }
    }

    fn facts() -> Arc<Facts> {
        Arc::new(Facts {
            config: ConfigFacts { hash: "abc".into(), reloads: 3, reloads_refused: 1, last_reload_successful: false },
            endpoints: vec![EndpointFacts { backend: "canary".into(), ready: 2, resting: 1, unhealthy: 4, ejected: 3 }],
            rollouts: vec![RolloutFacts {
                step: Some((2, 5)),
                name: "data-tier".into(),
                phase: "RolledBack",
                phases: &["Progressing", "RolledBack"],
                weights: vec![("stable".into(), 99.5), ("canary".into(), 0.5)],
                evidence: vec![("error-rate".into(), 1.25)],
                rollbacks: vec![("error-rate".into(), 1)],
            }],
            certificates: vec![CertificateFacts {
                listener: "web".into(),
                backend: "".into(),
                file: "/tls/tls.crt".into(),
                not_after: 1_800_000_000,
            }],
        })
    }

    fn scrape(record: impl FnOnce(&Registry)) -> String {
        let counters = Arc::new(Registry::new(2));
        record(&counters);
        Exporter::new(counters, facts).text()
    }

    /// Whether `text` has exactly this line.
    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|l| l == line)
    }

    const LABELS: &str = r#"route="data-tier",rule="everyone",backend="canary",version="1.5.0""#;

    #[test]
    fn a_request_is_exported_under_its_labels() {
        let text = scrape(|counters| {
            let shards = counters.shards(&key("1.5.0"));
            let exchange = Exchange {
                code: 503,
                failure: Some(Cause::Status),
                grpc: Some(GrpcEnd::Status(GrpcStatus::Unavailable)),
                head: Some(Duration::from_millis(250)),
                duration: Duration::from_micros(250_001),
            };
            shards.iter().for_each(|shard| shard.record(&exchange));
            shards[0].record_retry();
            shards[1].record_fallback();
        });
        for line in [
            format!(r#"serin_requests_total{{{LABELS},code="503"}} 2"#),
            format!(r#"serin_failures_total{{{LABELS},cause="status"}} 2"#),
            format!(r#"serin_failures_total{{{LABELS},cause="reset"}} 0"#),
            format!(r#"serin_grpc_responses_total{{{LABELS},grpc_status="UNAVAILABLE"}} 2"#),
            format!("serin_retries_total{{{LABELS}}} 1"),
            format!("serin_fallback_total{{{LABELS}}} 1"),
            format!(r#"serin_request_duration_seconds_bucket{{{LABELS},le="0.25"}} 0"#),
            format!(r#"serin_request_duration_seconds_bucket{{{LABELS},le="0.5"}} 2"#),
            format!(r#"serin_request_duration_seconds_bucket{{{LABELS},le="+Inf"}} 2"#),
            format!("serin_request_duration_seconds_count{{{LABELS}}} 2"),
            format!("serin_request_duration_seconds_sum{{{LABELS}}} 0.500002"),
            format!(r#"serin_response_head_seconds_bucket{{{LABELS},le="0.1"}} 0"#),
            format!(r#"serin_response_head_seconds_bucket{{{LABELS},le="0.25"}} 2"#),
        ] {
            assert!(has(&text, &line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn every_family_is_there_with_its_type_and_help_once_something_is_counted() {
        let text = scrape(|counters| {
            let grpc = Some(GrpcEnd::Status(GrpcStatus::Ok));
            let exchange = Exchange { code: 200, failure: None, grpc, head: None, duration: Duration::ZERO };
            counters.shards(&key("1"))[0].record(&exchange);
            counters.worker(0).refused(404);
        });
        for family in Family::ALL {
            let (name, kind) = (family.name(), family.kind_name());
            assert!(has(&text, &format!("# TYPE {name} {kind}")), "{name}\n{text}");
            assert!(text.lines().any(|l| l.starts_with(&format!("# HELP {name} "))), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}: only counters end in _total");
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "));
    }

    #[test]
    fn the_control_threads_facts_are_exported() {
        let text = scrape(|counters| {
            let worker = counters.worker(1);
            worker.client_opened();
            worker.client_opened();
            worker.client_closed();
            worker.tunnel_opened();
            worker.tunnelled(7, 9);
            worker.refused(400);
            worker.handshake_failed(HandshakeFailure::ClearText);
            worker.rejected(Rejection::ConnectionsPerClient);
        });
        for line in [
            r#"serin_connections{side="client"} 1"#,
            r#"serin_connections{side="upstream"} 0"#,
            r#"serin_connections_opened_total{side="client"} 2"#,
            "serin_tunnels 1",
            "serin_tunnels_total 1",
            r#"serin_tunnel_bytes_total{from="client"} 7"#,
            r#"serin_tunnel_bytes_total{from="upstream"} 9"#,
            r#"serin_refused_requests_total{code="400"} 1"#,
            r#"serin_endpoints{backend="canary",state="ready"} 2"#,
            r#"serin_tls_certificate_expiry_seconds{listener="web",backend="",file="/tls/tls.crt"} 1800000000"#,
            r#"serin_tls_handshake_failures_total{cause="clear-text"} 1"#,
            r#"serin_rejected_connections_total{cause="connections-per-client"} 1"#,
            r#"serin_rejected_connections_total{cause="proxy-header-timeout"} 0"#,
            r#"serin_endpoints{backend="canary",state="resting"} 1"#,
            r#"serin_endpoints{backend="canary",state="unhealthy"} 4"#,
            r#"serin_endpoints{backend="canary",state="ejected"} 3"#,
            r#"serin_rollout_phase{rollout="data-tier",phase="RolledBack"} 1"#,
            r#"serin_rollout_phase{rollout="data-tier",phase="Progressing"} 0"#,
            r#"serin_rollout_weight{rollout="data-tier",backend="canary"} 0.5"#,
            r#"serin_rollout_evidence{rollout="data-tier",limit="error-rate"} 1.25"#,
            r#"serin_rollbacks_total{rollout="data-tier",reason="error-rate"} 1"#,
            r#"serin_config_reloads_total{result="success"} 3"#,
            r#"serin_config_reloads_total{result="failure"} 1"#,
            "serin_config_last_reload_successful 0",
            r#"serin_config_info{hash="abc"} 1"#,
        ] {
            assert!(has(&text, line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_name_with_quotes_and_newlines_stays_one_label() {
        let text = scrape(|counters| {
            let exchange = Exchange { code: 200, failure: None, grpc: None, head: None, duration: Duration::ZERO };
            counters.shards(&key("a\"b\\c\nd"))[0].record(&exchange);
        });
        assert!(text.contains(r#"version="a\"b\\c\nd",code="200"} 1"#), "{text}");
    }
}
