//! Which of a backend's endpoints are used, by how many of them are well.
//!
//! The endpoints that are well are used, until they are too few: if half a backend cannot be reached, giving its whole
//! load to the other half brings that down too, and the check itself may be what is wrong. Then health is ignored and
//! all of them are used, each with its own part.

use super::Endpoint;
use std::sync::Arc;

/// A backend's endpoints at one moment.
#[derive(Debug, Clone)]
pub struct Available {
    /// All of them.
    pub all: Arc<[Endpoint]>,
    /// Those that get requests, in the order of `all`.
    pub used: Arc<[Endpoint]>,
    /// How the backend stands.
    pub standing: Standing,
}

/// How a backend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Enough of its endpoints are well, and those are used.
    Well,
    /// Too few are well, so that all are used.
    Panics,
    /// None is well, or there is none: it takes requests only when nobody else can.
    Down,
}

impl Available {
    /// Of `all`, those for which `is_well` holds, unless they are less than `panic_threshold` (0 to 1) of all.
    pub fn new(all: Arc<[Endpoint]>, panic_threshold: f64, is_well: impl Fn(&Endpoint) -> bool) -> Self {
        let well = all.iter().filter(|endpoint| is_well(endpoint)).count();
        let standing = Standing::of(well, all.len(), panic_threshold);
        let ignored = standing != Standing::Well && panic_threshold > 0.0;
        let used = if ignored || well == all.len() {
            Arc::clone(&all)
        } else {
            all.iter().filter(|endpoint| is_well(endpoint)).cloned().collect()
        };
        Self { all, used, standing }
    }
}

impl From<Arc<[Endpoint]>> for Available {
    /// All of them are well.
    fn from(all: Arc<[Endpoint]>) -> Self {
        Self::new(all, 0.0, |_| true)
    }
}

impl Standing {
    /// Of a backend of which `well` of `all` endpoints are well.
    pub fn of(well: usize, all: usize, panic_threshold: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a backend has fewer than 2^52 endpoints")]
        match well {
            0 => Self::Down,
            _ if (well as f64) < panic_threshold * all as f64 => Self::Panics,
            _ => Self::Well,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn available(well: u16, all: u16, threshold: f64) -> Available {
        let endpoints = (0..all).map(|port| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port))));
        Available::new(endpoints.collect(), threshold, |endpoint| endpoint.address.port() < well)
    }

    #[test]
    fn half_of_them_is_enough_and_one_less_is_not() {
        let used = |well| available(well, 4, 0.5).used.len();
        assert_eq!((used(4), used(3), used(2), used(1), used(0)), (4, 3, 2, 4, 4));
        assert_eq!(available(1, 3, 0.5).standing, Standing::Panics);
    }

    #[test]
    fn a_backend_without_a_well_endpoint_is_down_and_without_a_threshold_it_has_none_to_use() {
        assert_eq!(available(0, 3, 0.0).standing, Standing::Down);
        assert!(available(0, 3, 0.0).used.is_empty());
        assert_eq!(available(0, 0, 0.5).standing, Standing::Down);
        assert_eq!(available(1, 30, 0.0).used.len(), 1, "a threshold of 0 never panics");
    }

    proptest! {
        #[test]
        fn those_that_are_well_are_used_or_else_all(well in 0_u16..12, all in 0_u16..12, threshold in 0.01_f64..=1.0) {
            let well = well.min(all);
            let Available { used, standing, .. } = available(well, all, threshold);
            let enough = well > 0 && f64::from(well) >= threshold * f64::from(all);
            prop_assert_eq!(used.len(), usize::from(if enough { well } else { all }));
            prop_assert_eq!(standing == Standing::Well, enough);
            prop_assert_eq!(standing == Standing::Down, well == 0);
        }
    }
}
