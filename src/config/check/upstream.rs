//! How a backend is kept well: health checks, outlier detection, circuit breaker, connections.

use super::Check;
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units;
use crate::plan::{CircuitBreaker, HealthCheck, HealthQuestion, OutlierDetection, SuccessRate, Upstream};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Closer together, checks would be a load of their own.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);
const EJECTION: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(24 * 3_600);
const LIFE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3_600);
/// Longer is written by mistake.
const MOST: usize = 1_000_000;
const LONGEST_SERVICE: usize = 1_024;

impl Check<'_> {
    pub(super) fn upstream(self, raw: &raw::Backend) -> Option<Upstream> {
        let default = Upstream::default();
        let health = Self::part(raw.health.as_ref(), |at| self.health(at));
        let outliers = Self::part(raw.outlier_detection.as_ref(), |at| self.outliers(at));
        let panic_threshold = raw
            .panic_threshold
            .as_ref()
            .map_or(Some(default.panic_threshold), |at| self.unit(units::parse_ratio(&at.get()?.0), at));
        let breaker = raw.circuit_breaker.as_ref().map_or(Some(default.breaker), |at| self.breaker(at.get()?));
        let life = |key, at: Option<&At<raw::DurationText>>, range| {
            Self::part(at, |at| self.duration(key, at, &at.get()?.0, range))
        };
        let slow_start = life("slowStart", raw.slow_start.as_ref(), LIFE);
        let max_connection_age = life("maxConnectionAge", raw.max_connection_age.as_ref(), LIFE);
        let max_requests_per_connection =
            self.ceiling_of("maxRequestsPerConnection", raw.max_requests_per_connection.as_ref());
        Some(Upstream {
            health: health?,
            outliers: outliers?,
            panic_threshold: panic_threshold?,
            breaker: breaker?,
            slow_start: slow_start?,
            max_connection_age: max_connection_age?,
            max_requests_per_connection: max_requests_per_connection?,
        })
    }

    fn health(self, at: &At<raw::HealthCheck>) -> Option<HealthCheck> {
        let raw = at.get()?;
        let question = self.health_question(raw, at.place);
        let interval = self.time("interval", raw.interval.as_ref(), Duration::from_secs(5), INTERVAL);
        let timeout = self.time("timeout", raw.timeout.as_ref(), Duration::from_secs(1), TIMEOUT);
        let healthy_threshold = self.number("healthyThreshold", raw.healthy_threshold.as_ref(), 2, 1..=100);
        let unhealthy_threshold = self.number("unhealthyThreshold", raw.unhealthy_threshold.as_ref(), 3, 1..=100);
        Some(HealthCheck {
            question: question?,
            interval: interval?,
            timeout: timeout?,
            healthy_threshold: healthy_threshold?,
            unhealthy_threshold: unhealthy_threshold?,
        })
    }

    fn health_question(self, raw: &raw::HealthCheck, owner: Place) -> Option<HealthQuestion> {
        match (&raw.path, &raw.grpc) {
            (Some(path), None) => self.health_path(path).map(HealthQuestion::Get),
            (None, Some(grpc)) => self.health_service(grpc).map(HealthQuestion::Grpc),
            (Some(path), Some(grpc)) => {
                let problem = Problem::new(grpc.place, "both `path` and `grpc`");
                self.report(problem.label("only one of them").also(path.place, "already said here"));
                None
            }
            (None, None) => {
                self.report(Problem::new(owner, "`path` is missing").label("needs `path`, or `grpc`"));
                None
            }
        }
    }

    fn health_path(self, at: &At<String>) -> Option<Arc<str>> {
        let path = at.need("path", at.place, self.problems)?;
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !is_path {
            let problem = Problem::new(at.place, format!("`{}` is no path", path.escape_debug()));
            self.report(problem.label("begins with `/`, other characters percent-encoded, as in `/healthz`"));
        }
        is_path.then(|| path.as_str().into())
    }

    fn health_service(self, at: &At<raw::GrpcHealth>) -> Option<Arc<str>> {
        let Some(service) = &at.need("grpc", at.place, self.problems)?.service else { return Some("".into()) };
        let name = service.need("service", service.place, self.problems)?;
        let fits = name.len() <= LONGEST_SERVICE;
        if !fits {
            let problem = Problem::new(service.place, format!("`service` has {} bytes", name.len()));
            self.report(problem.label(format!("at most {LONGEST_SERVICE}")));
        }
        fits.then(|| name.as_str().into())
    }

    fn outliers(self, at: &At<raw::OutlierDetection>) -> Option<OutlierDetection> {
        let raw = at.get()?;
        let seconds = Duration::from_secs;
        let consecutive = self.number("consecutiveFailures", raw.consecutive_failures.as_ref(), 5, 1..=10_000);
        let interval = self.time("interval", raw.interval.as_ref(), seconds(10), INTERVAL);
        let base = self.time("baseEjectionTime", raw.base_ejection_time.as_ref(), seconds(30), EJECTION);
        let percent = self.number("maxEjectionPercent", raw.max_ejection_percent.as_ref(), 50, 0..=100);
        let success_rate = Self::part(raw.success_rate.as_ref(), |at| self.success_rate(at.get()?));
        Some(OutlierDetection {
            consecutive_failures: consecutive?,
            interval: interval?,
            base_ejection_time: base?,
            max_ejection_percent: percent?,
            success_rate: success_rate?,
        })
    }

    fn success_rate(self, raw: &raw::SuccessRate) -> Option<SuccessRate> {
        let minimum_hosts = self.number("minimumHosts", raw.minimum_hosts.as_ref(), 5, 2..=65_535);
        let minimum_requests = self.number("minimumRequests", raw.minimum_requests.as_ref(), 100, 1..=1_000_000_000);
        let stdev_factor = raw.stdev_factor.as_ref().map_or(Some(1.9), |at| {
            let text = &at.get()?.0;
            let factor = text.parse().ok().filter(|factor: &f64| (0.1..=10.0).contains(factor));
            if factor.is_none() {
                let problem = Problem::new(at.place, format!("`stdevFactor` cannot be `{}`", text.escape_debug()));
                self.report(problem.label("0.1 to 10, as in `1.9`"));
            }
            factor
        });
        Some(SuccessRate {
            minimum_hosts: minimum_hosts?,
            minimum_requests: minimum_requests?,
            stdev_factor: stdev_factor?,
        })
    }

    fn breaker(self, raw: &raw::CircuitBreaker) -> Option<CircuitBreaker> {
        let max_connections = self.ceiling_of("maxConnections", raw.max_connections.as_ref());
        let max_pending_requests = self.ceiling_of("maxPendingRequests", raw.max_pending_requests.as_ref());
        let max_requests = self.ceiling_of("maxRequests", raw.max_requests.as_ref());
        Some(CircuitBreaker {
            max_connections: max_connections?,
            max_pending_requests: max_pending_requests?,
            max_requests: max_requests?,
        })
    }

    /// A part that may be missing: `None` inside where it is.
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    pub(super) fn part<T, V>(at: Option<&At<T>>, read: impl FnOnce(&At<T>) -> Option<V>) -> Option<Option<V>> {
        at.map_or(Some(None), |at| read(at).map(Some))
    }

    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    fn ceiling_of(self, key: &str, at: Option<&At<u64>>) -> Option<Option<u32>> {
        Self::part(at, |at| self.number(key, Some(at), 1, 1..=MOST))
    }

    pub(super) fn number(
        self,
        key: &str,
        at: Option<&At<u64>>,
        default: u32,
        range: RangeInclusive<usize>,
    ) -> Option<u32> {
        let number = self.count(key, at, default as usize, range)?;
        Some(u32::try_from(number).expect("every range here ends below 2^32"))
    }

    fn time(
        self,
        key: &str,
        at: Option<&At<raw::DurationText>>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        at.map_or(Some(default), |at| self.duration(key, at, &at.get()?.0, range))
    }
}
