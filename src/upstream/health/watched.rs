//! One backend as it is watched: its endpoints, what is known of each, and what that makes of the backend.

use super::check::Check;
use super::outlier::{Change, Ejection, Seen, look};
use super::probes::{Answer, Probe};
use super::success::rate;
use crate::plan::{Available, Backend, Endpoint, Standing, Upstream};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// One backend as it is watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) name: Arc<str>,
    pub(super) settings: Upstream,
    all: Arc<[Endpoint]>,
    pub(super) members: BTreeMap<SocketAddr, Member>,
    interval_over_ms: u64,
    standing: Standing,
}

/// What is known of an endpoint.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) endpoint: Endpoint,
    /// `None` where it is not asked.
    check: Option<Check>,
    pub(super) probe: Option<Probe>,
    ejection: Ejection,
    /// Its outcomes when the interval began.
    before: (u64, u64),
    refuses: bool,
}

/// How an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Ready,
    Resting,
    Unhealthy,
    Ejected,
}

impl Member {
    fn new(endpoint: Endpoint, now_ms: u64) -> Self {
        endpoint.health.serve_since(now_ms);
        Self { endpoint, check: None, probe: None, ejection: Ejection::default(), before: (0, 0), refuses: false }
    }

    /// Whether nothing but its connect failures speaks against it.
    pub(super) fn is_well(&self) -> bool {
        self.check.is_none_or(Check::is_well) && !self.ejection.is_ejected()
    }

    /// Whether it took the last connection, where it is asked for nothing but that.
    pub(super) fn is_reached(&self) -> bool {
        self.check.is_some() || self.probe.as_ref().is_none_or(|probe| probe.answer == Some(true))
    }

    pub(super) fn is_unasked(&self) -> bool {
        self.check.is_some_and(Check::is_unasked)
    }

    pub(super) fn condition(&self, now_ms: u64) -> Condition {
        if !self.check.is_none_or(Check::is_well) {
            Condition::Unhealthy
        } else if self.ejection.is_ejected() {
            Condition::Ejected
        } else if self.endpoint.health.rests(now_ms) {
            Condition::Resting
        } else {
            Condition::Ready
        }
    }
}

impl Watched {
    /// `backend` with the endpoints of this moment; what `before` knows of those that stay is kept.
    pub(super) fn new(
        backend: &Backend,
        all: &Arc<[Endpoint]>,
        before: Option<Self>,
        workers: usize,
        now_ms: u64,
    ) -> Self {
        let settings = backend.upstream.clone();
        let had_outliers = before.as_ref().is_some_and(|before| before.settings.outliers.is_some());
        let (mut known, mut interval_over_ms) =
            before.map_or_else(Default::default, |before| (before.members, before.interval_over_ms));
        if !had_outliers {
            interval_over_ms = 0;
        }
        let members = all.iter().map(|endpoint| {
            let kept = known.remove(&endpoint.address);
            let kept = kept.filter(|kept| Arc::ptr_eq(&kept.endpoint.health, &endpoint.health));
            let served = kept.is_some();
            let mut member = kept.unwrap_or_else(|| Member::new(endpoint.clone(), now_ms));
            // It may have to be spoken to in another way from now on.
            member.endpoint.clone_from(endpoint);
            member.check = settings
                .health
                .as_ref()
                .map(|_| member.check.unwrap_or_else(|| if served { Check::presumed() } else { Check::default() }));
            if !had_outliers {
                // What failed while nobody wanted to know, or before that, is nobody's fault by now.
                endpoint.health.forget_requests();
            }
            match &settings.outliers {
                None => member.ejection = Ejection::default(),
                Some(outliers) if outliers.success_rate.is_some() => endpoint.health.count_outcomes(workers),
                Some(_) => {}
            }
            (endpoint.address, member)
        });
        let members: BTreeMap<_, _> = members.collect();
        let name = Arc::clone(&backend.name);
        let mut watched =
            Self { name, settings, all: Arc::clone(all), members, interval_over_ms, standing: Standing::Well };
        watched.standing = watched.standing_now();
        watched
    }

    /// Which of the endpoints are used.
    pub(super) fn available(&self) -> Available {
        let is_well = |endpoint: &Endpoint| self.members[&endpoint.address].is_well();
        Available::new(Arc::clone(&self.all), self.settings.panic_threshold, is_well)
    }

    fn standing_now(&self) -> Standing {
        let well = self.members.values().filter(|member| member.is_well()).count();
        Standing::of(well, self.members.len(), self.settings.panic_threshold)
    }

    /// Takes an answer in; whether other endpoints are used than before.
    pub(super) fn learn(&mut self, answer: &Answer, now_ms: u64) -> bool {
        let Some(member) = self.members.get_mut(&answer.endpoint.address) else { return false };
        let is_ours = Arc::ptr_eq(&member.endpoint.health, &answer.endpoint.health);
        if !is_ours || !member.probe.as_mut().is_some_and(|probe| probe.take(answer)) {
            return false;
        }
        if answer.well.is_ok() {
            member.endpoint.health.connected();
        }
        let (Some(check), Some(health)) = (&mut member.check, &self.settings.health) else { return false };
        let first = check.is_unasked();
        let change = check.learn(answer.well.is_ok(), health.healthy_threshold, health.unhealthy_threshold);
        let (backend, endpoint) = (&*self.name, answer.endpoint.address);
        match (change, &answer.well) {
            (None, _) => {}
            (Some(_), Ok(())) if first => {
                tracing::debug!(backend, %endpoint, "the endpoint is healthy");
            }
            (Some(_), Ok(())) => {
                tracing::info!(backend, %endpoint, "the endpoint is healthy again");
            }
            (Some(_), Err(why)) => {
                tracing::warn!(backend, %endpoint, %why, "the endpoint is unhealthy");
            }
        }
        if change == Some(true) {
            member.endpoint.health.serve_since(now_ms);
        }
        change.is_some()
    }

    /// Ejects whose requests fail and takes back whose time is over; whether there was any.
    pub(super) fn eject(&mut self, now_ms: u64) -> bool {
        let Some(settings) = &self.settings.outliers else { return false };
        let struck: Vec<bool> = self.members.values().map(|member| member.endpoint.health.take_strike()).collect();
        let rates = (now_ms >= self.interval_over_ms).then(|| {
            let interval = u64::try_from(settings.interval.as_millis()).unwrap_or(u64::MAX);
            let is_first = self.interval_over_ms == 0;
            self.interval_over_ms = now_ms.saturating_add(interval);
            let minimum = settings.success_rate.map_or(0, |rate| rate.minimum_requests);
            let rates = self.members.values_mut().map(|member| {
                let now = member.endpoint.health.outcomes();
                let before = std::mem::replace(&mut member.before, now);
                rate(now.0 - before.0, now.1 - before.1, minimum).filter(|_| !is_first)
            });
            rates.collect::<Vec<_>>()
        });
        let seen = Seen { struck: &struck, rates: rates.as_deref() };
        let mut ejections: Vec<_> = self.members.values_mut().map(|member| &mut member.ejection).collect();
        let changes = look(settings, &mut ejections, seen, now_ms);
        let members: Vec<&Member> = self.members.values().collect();
        for (index, change) in &changes {
            let member = members[*index];
            let (backend, endpoint) = (&*self.name, member.endpoint.address);
            member.endpoint.health.forget_requests();
            match change {
                Change::Ejected { why, lasts } => {
                    tracing::warn!(backend, %endpoint, %why, lasts = ?lasts, "the endpoint is ejected");
                }
                Change::Returned => {
                    member.endpoint.health.serve_since(now_ms);
                    tracing::info!(backend, %endpoint, "the endpoint is back from its ejection");
                }
            }
        }
        !changes.is_empty()
    }

    /// Says in the log what has changed of it that nobody decided: endpoints that rest, and whether it panics.
    pub(super) fn tell(&mut self) {
        let backend = &*self.name;
        for member in self.members.values_mut() {
            let refuses = member.endpoint.health.refuses();
            if refuses != member.refuses {
                member.refuses = refuses;
                let endpoint = member.endpoint.address;
                if refuses {
                    tracing::warn!(backend, %endpoint, "the endpoint rests: it takes no connections");
                } else {
                    tracing::info!(backend, %endpoint, "the endpoint takes connections again");
                }
            }
        }
        let now = self.standing_now();
        if now != self.standing && !self.members.is_empty() {
            let well = self.members.values().filter(|member| member.is_well()).count();
            let of = self.members.len();
            match now {
                Standing::Well => tracing::info!(backend, well, of, "enough endpoints are well"),
                Standing::Panics => {
                    tracing::warn!(backend, well, of, "too few endpoints are well: health is ignored, all are used");
                }
                Standing::Down => tracing::error!(backend, well, of, "no endpoint is well"),
            }
        }
        self.standing = now;
    }
}
