//! How a backend is kept well: who says that an endpoint is fit, how much it is given, how long a connection lives.
//!
//! The words and meanings are Envoy's, except where a comment says otherwise; everything is off unless it is written.

use std::sync::Arc;
use std::time::Duration;

/// How a backend is kept well.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Asks the endpoints how they are.
    pub health: Option<HealthCheck>,
    /// Ejects endpoints whose requests fail.
    pub outliers: Option<OutlierDetection>,
    /// The part of the endpoints, from 0 to 1, below which health is ignored; 0 never ignores it. Default one half.
    pub panic_threshold: f64,
    /// What is refused at once.
    pub breaker: CircuitBreaker,
    /// How long an endpoint that joined, or came back, is given less than its part.
    pub slow_start: Option<Duration>,
    /// How old a connection gets.
    pub max_connection_age: Option<Duration>,
    /// How many requests a connection carries; at least 1.
    pub max_requests_per_connection: Option<u32>,
}

/// What every endpoint is asked, on a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthQuestion {
    /// A `GET` of this path, with a query if need be; well when answered from 200 to 399, as a Kubernetes probe.
    Get(Arc<str>),
    /// `grpc.health.v1.Health/Check` for this service, or for the server as a whole where it is empty; well when
    /// `SERVING`.
    Grpc(Arc<str>),
}

/// A question put to every endpoint again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Which one.
    pub question: HealthQuestion,
    /// From one question to the next, a tenth more or less at random. Default 5 s.
    pub interval: Duration,
    /// For one answer, the connection included. Default 1 s.
    pub timeout: Duration,
    /// How many good answers in a row bring an unhealthy endpoint back; the very first answer needs no second. Default 2.
    pub healthy_threshold: u32,
    /// How many bad ones in a row take a healthy one out. Default 3.
    pub unhealthy_threshold: u32,
}

/// When an endpoint is ejected for how its requests went.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlierDetection {
    /// How many failures in a row, counted over all workers. Default 5.
    pub consecutive_failures: u32,
    /// How often success rates are compared, and how long it takes to be forgiven one ejection. Default 10 s.
    pub interval: Duration,
    /// How long the first ejection lasts; the second one twice as long, and so on, up to 5 min. Default 30 s.
    pub base_ejection_time: Duration,
    /// How much of the backend may be ejected at a time; rounded down. 0 to 100, default 50.
    pub max_ejection_percent: u32,
    /// Compares the endpoints with each other.
    pub success_rate: Option<SuccessRate>,
}

/// Ejects endpoints that succeed much less often than the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuccessRate {
    /// How many endpoints there must be to compare. Default 5.
    pub minimum_hosts: u32,
    /// How many requests in an interval an endpoint takes part with. Default 100.
    pub minimum_requests: u32,
    /// How many standard deviations below the mean is too far. Default 1.9.
    pub stdev_factor: f64,
}

/// Ceilings on what a backend has under way in all workers; what is above is refused at once.
///
/// Each worker holds its own [`share`](Self::share) of a ceiling: an exact common count would be one more thing that
/// every request of every worker writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Connections, idle ones included.
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection to be opened.
    pub max_pending_requests: Option<u32>,
    /// Requests under way, waiting ones and tunnels included.
    pub max_requests: Option<u32>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            health: None,
            outliers: None,
            panic_threshold: 0.5,
            breaker: CircuitBreaker::default(),
            slow_start: None,
            max_connection_age: None,
            max_requests_per_connection: None,
        }
    }
}

impl CircuitBreaker {
    /// What worker `worker` of `workers` may have: an even part of each ceiling, and never less than 1, since a worker
    /// that may have nothing would refuse everything.
    #[must_use]
    pub fn share(self, worker: usize, workers: usize) -> Self {
        let part = |ceiling: Option<u32>| {
            let ceiling = usize::try_from(ceiling?).expect("a usize has 32 bits at least");
            let part = ceiling / workers + usize::from(worker < ceiling % workers);
            Some(u32::try_from(part.max(1)).expect("a part of a u32"))
        };
        Self {
            max_connections: part(self.max_connections),
            max_pending_requests: part(self.max_pending_requests),
            max_requests: part(self.max_requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_workers_shares_add_up_to_the_ceiling_unless_it_is_below_one_a_worker(
            ceiling in 1_u32..2_000, workers in 1_usize..64,
        ) {
            let breaker = CircuitBreaker { max_requests: Some(ceiling), ..CircuitBreaker::default() };
            let shares = (0..workers).map(|worker| breaker.share(worker, workers).max_requests.unwrap());
            let (least, most) = (shares.clone().min().unwrap(), shares.clone().max().unwrap());
            prop_assert!(least >= 1 && most - least <= 1);
            prop_assert_eq!(shares.sum::<u32>(), ceiling.max(u32::try_from(workers).unwrap()));
            prop_assert_eq!(breaker.share(0, workers).max_connections, None);
        }
    }
}
