//! What the workers counted, as metric families.

use crate::stats::{MirrorKey, MirrorOutcome, Series, SeriesKey, WorkerTotals, bucket_of};
use prometheus::core::Desc;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::HashMap;

/// The `le` bounds in microseconds. Each ends a bucket of [`crate::stats::Histogram`], so the counts are exact.
const BOUNDS_US: [u64; 18] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

macro_rules! families {
    ($($variant:ident $name:literal $kind:ident [$($label:literal),*] $help:literal;)*) => {
        /// Every family of ours: its name, type, labels and help.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Family { $($variant),* }

        impl Family {
            pub(super) const ALL: [Self; [$(stringify!($variant)),*].len()] = [$(Self::$variant),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            const fn kind(self) -> MetricType {
                match self { $(Self::$variant => MetricType::$kind),* }
            }

            const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($label),*]),* }
            }

            const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),* }
            }
        }
    };
}

families! {
    Requests "serin_requests_total" COUNTER ["route", "rule", "backend", "version", "code"]
        "Attempts at requests, by the status that the client was sent, or would have been; 499 when it hung up or was too slow.";
    RequestDuration "serin_request_duration_seconds" HISTOGRAM ["route", "rule", "backend", "version"]
        "From an attempt's start to its response's end, less the waits for the client; aborted requests left out.";
    ResponseHead "serin_response_head_seconds" HISTOGRAM ["route", "rule", "backend", "version"]
        "From an attempt's start to the backend's response head.";
    Failures "serin_failures_total" COUNTER ["route", "rule", "backend", "version", "cause"]
        "Attempts that count as the backend's failure, by cause.";
    GrpcResponses "serin_grpc_responses_total" COUNTER ["route", "rule", "backend", "version", "grpc_status"]
        "Attempts at gRPC requests, by the status they ended with; none without one, other for one of no name.";
    Fallback "serin_fallback_total" COUNTER ["route", "rule", "backend", "version"]
        "Requests that another backend took because this one had no ready endpoint.";
    Retries "serin_retries_total" COUNTER ["route", "rule", "backend", "version"]
        "Times that a request was tried again after this backend: on another connection, endpoint or backend.";
    RetriesDenied "serin_retry_budget_exhausted_total" COUNTER ["route", "rule", "backend", "version"]
        "Times that a request was not tried again because the budget for that was spent.";
    Refused "serin_refused_requests_total" COUNTER ["code"]
        "Requests that Serin answered itself and gave to no backend, by status.";
    Mirrored "serin_mirrored_requests_total" COUNTER ["route", "rule", "backend", "outcome"]
        "Copies of requests for another backend, by what became of them; in no other family.";
    Redirects "serin_redirects_total" COUNTER ["code"]
        "Requests that a rule redirected, and that no backend was given, by status.";
    Connections "serin_connections" GAUGE ["side"]
        "Open connections, of clients and to endpoints (upstream).";
    ConnectionsOpened "serin_connections_opened_total" COUNTER ["side"]
        "Connections that clients opened, and that Serin opened to endpoints (upstream).";
    Tunnels "serin_tunnels" GAUGE []
        "Open tunnels: client connections that were switched to another protocol, such as WebSocket.";
    TunnelsOpened "serin_tunnels_total" COUNTER []
        "Client connections that were ever switched to another protocol.";
    TunnelBytes "serin_tunnel_bytes_total" COUNTER ["from"]
        "Bytes that tunnels carried, by the side that sent them: client or upstream.";
    HandshakeFailures "serin_tls_handshake_failures_total" COUNTER ["cause"]
        "Clients' TLS handshakes that came to nothing, by cause; clear-text is no TLS at all.";
    ConnectionsRejected "serin_rejected_connections_total" COUNTER ["cause"]
        "Clients' connections that Serin closed before it read anything else from them, by cause.";
    CertificateExpiry "serin_tls_certificate_expiry_seconds" GAUGE ["listener", "backend", "file"]
        "The last second, since 1970, at which a certificate in force is valid; listener is admin for admin.tls.";
    Endpoints "serin_endpoints" GAUGE ["backend", "state"]
        "Endpoints of a backend: ready, resting after connect failures, unhealthy by its health check, or ejected.";
    RolloutWeight "serin_rollout_weight" GAUGE ["rollout", "backend"]
        "A backend's share of the guarded rule's requests, in percent.";
    RolloutPhase "serin_rollout_phase" GAUGE ["rollout", "phase"]
        "1 for the phase that the rollout is in, 0 for the others.";
    RolloutStep "serin_rollout_step" GAUGE ["rollout"]
        "The step that the rollout is in, from 1; 0 before the first and after the last.";
    RolloutSteps "serin_rollout_steps" GAUGE ["rollout"]
        "How many steps the rollout has.";
    RolloutEvidence "serin_rollout_evidence" GAUGE ["rollout", "limit"]
        "Log evidence that the limit is breached, over its alarm level: the canary is taken out at 1.";
    Rollbacks "serin_rollbacks_total" COUNTER ["rollout", "reason"]
        "Times that the canary was taken out, by the limit that was breached or by what else it was.";
    ConfigReloads "serin_config_reloads_total" COUNTER ["result"]
        "Times that the config file was read anew, by result.";
    ConfigLastReloadSuccessful "serin_config_last_reload_successful" GAUGE []
        "Whether the config file and the certificates as they are now are in force: 1, or 0 when one was refused.";
    ConfigInfo "serin_config_info" GAUGE ["hash"]
        "1, with the hash of the config in force.";
    BuildInfo "serin_build_info" GAUGE ["version", "os", "arch"]
        "1, with what this binary was built from and for.";
}

impl Family {
    pub(super) fn desc(self) -> Desc {
        let labels = self.labels().iter().map(ToString::to_string).collect();
        Desc::new(self.name().into(), self.help().into(), labels, HashMap::new()).expect("names and labels are valid")
    }

    #[cfg(test)]
    pub(super) fn kind_name(self) -> &'static str {
        match self.kind() {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            _ => "histogram",
        }
    }

    pub(super) fn of(self, metrics: impl IntoIterator<Item = Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name().into());
        family.set_help(self.help().into());
        family.set_field_type(self.kind());
        family.set_metric(metrics.into_iter().collect());
        family
    }

    /// One sample of this family. `values` are those of its labels, in their order.
    pub(super) fn sample(self, values: &[&str], value: f64) -> Metric {
        let mut metric = Metric::from_label(self.pairs(values));
        if self.kind() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }

    fn pairs(self, values: &[&str]) -> Vec<LabelPair> {
        debug_assert_eq!(self.labels().len(), values.len(), "{}", self.name());
        let pairs = self.labels().iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).into());
            pair.set_value((*value).into());
            pair
        });
        pairs.collect()
    }
}

/// A count as Prometheus has it. Its numbers are floats: exact up to 2^53, which a million requests a second reach
/// after 285 years.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

/// The families that carry a series's labels.
pub(super) fn of_series(series: &[Series]) -> Vec<MetricFamily> {
    let codes = series.iter().flat_map(|s| {
        s.totals.codes().map(|(code, count)| {
            let code = code.to_string();
            Family::Requests.sample(&[&labels(&s.key)[..], &[&code]].concat(), number(count))
        })
    });
    let failures = series.iter().flat_map(|s| {
        let causes = s.totals.failures();
        causes.map(|(cause, n)| Family::Failures.sample(&[&labels(&s.key)[..], &[cause.label()]].concat(), number(n)))
    });
    let grpc = series.iter().flat_map(|s| {
        let ends = s.totals.grpc();
        ends.map(|(end, n)| Family::GrpcResponses.sample(&[&labels(&s.key)[..], &[end.label()]].concat(), number(n)))
    });
    vec![
        Family::Requests.of(codes),
        Family::Failures.of(failures),
        Family::GrpcResponses.of(grpc),
        Family::Fallback
            .of(series.iter().map(|s| Family::Fallback.sample(&labels(&s.key), number(s.totals.fallbacks)))),
        Family::Retries.of(series.iter().map(|s| Family::Retries.sample(&labels(&s.key), number(s.totals.retries)))),
        Family::RetriesDenied
            .of(series.iter().map(|s| Family::RetriesDenied.sample(&labels(&s.key), number(s.totals.retries_denied)))),
        Family::RequestDuration
            .of(series.iter().map(|s| histogram(&s.key, &s.totals.duration, s.totals.duration_sum_us))),
        Family::ResponseHead.of(series.iter().map(|s| histogram(&s.key, &s.totals.head, s.totals.head_sum_us))),
    ]
}

/// The family of the copies of requests.
pub(super) fn of_mirrors(mirrors: &[(MirrorKey, MirrorOutcome, u64)]) -> MetricFamily {
    Family::Mirrored.of(mirrors.iter().map(|(key, outcome, count)| {
        Family::Mirrored.sample(&[&key.route, &key.rule, &key.backend, outcome.label()], number(*count))
    }))
}

/// The families of what belongs to no series.
pub(super) fn of_workers(totals: &WorkerTotals) -> Vec<MetricFamily> {
    let sides = [("client", totals.clients), ("upstream", totals.upstreams)];
    let senders = [("client", totals.bytes_from_clients), ("upstream", totals.bytes_to_clients)];
    vec![
        Family::Refused.of(totals.refused().map(|(code, n)| Family::Refused.sample(&[&code.to_string()], number(n)))),
        Family::Redirects
            .of(totals.redirected().map(|(code, n)| Family::Redirects.sample(&[&code.to_string()], number(n)))),
        Family::Connections.of(sides.map(|(side, c)| Family::Connections.sample(&[side], number(c.open())))),
        Family::HandshakeFailures
            .of(totals.handshakes_failed().map(|(why, n)| Family::HandshakeFailures.sample(&[why.label()], number(n)))),
        Family::ConnectionsRejected
            .of(totals.rejected().map(|(why, n)| Family::ConnectionsRejected.sample(&[why.label()], number(n)))),
        Family::ConnectionsOpened
            .of(sides.map(|(side, c)| Family::ConnectionsOpened.sample(&[side], number(c.opened)))),
        Family::Tunnels.of([Family::Tunnels.sample(&[], number(totals.tunnels.open()))]),
        Family::TunnelsOpened.of([Family::TunnelsOpened.sample(&[], number(totals.tunnels.opened))]),
        Family::TunnelBytes.of(senders.map(|(side, bytes)| Family::TunnelBytes.sample(&[side], number(bytes)))),
    ]
}

fn labels(key: &SeriesKey) -> [&str; 4] {
    [&key.route, &key.rule, &key.backend, &key.version]
}

/// One histogram of a series. Its count is the sum of its buckets, so that the two agree even while workers count on.
fn histogram(key: &SeriesKey, counts: &[u64], sum_us: u64) -> Metric {
    let (mut below, mut next) = (0, 0);
    let buckets = BOUNDS_US.iter().map(|&bound| {
        let end = bucket_of(bound) + 1;
        below += counts[next..end].iter().sum::<u64>();
        next = end;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(seconds(bound));
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(seconds(sum_us));
    let mut metric = Metric::from_label(Family::RequestDuration.pairs(&labels(key)));
    metric.set_histogram(histogram);
    metric
}

/// Microseconds in seconds.
fn seconds(us: u64) -> f64 {
    number(us) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{BUCKETS, is_boundary};
    use std::time::Duration;

    #[test]
    fn every_bound_is_a_boundary_so_that_the_counts_are_exact() {
        for bound in BOUNDS_US {
            assert!(is_boundary(Duration::from_micros(bound)), "{bound}");
        }
        assert!(BOUNDS_US.is_sorted());
    }

    #[test]
    fn the_buckets_are_cumulative_and_what_is_longer_is_in_the_count_alone() {
        let mut counts = vec![0; BUCKETS];
        for us in [1, 500, 501, 60_000_000, 60_000_001] {
            counts[bucket_of(us)] += 1;
        }
        let key = SeriesKey { route: "".into(), rule: "".into(), backend: "".into(), version: "".into() };
        let metric = histogram(&key, &counts, 0);
        let below: Vec<_> = metric.get_histogram().get_bucket().iter().map(Bucket::cumulative_count).collect();
        assert_eq!((below[0], below[1], below[16], below[17]), (2, 3, 3, 4));
        assert_eq!(metric.get_histogram().get_sample_count(), 5);
    }

    #[test]
    fn large_counts_stay_whole_numbers() {
        let metric = Family::Retries.sample(&["", "", "", ""], number((1 << 53) - 1));
        assert_eq!(metric.get_counter().get_value().to_string(), "9007199254740991");
    }

    #[test]
    fn no_two_families_share_a_name() {
        let names: std::collections::BTreeSet<_> = Family::ALL.iter().map(|family| family.name()).collect();
        assert_eq!(names.len(), Family::ALL.len());
    }
}
