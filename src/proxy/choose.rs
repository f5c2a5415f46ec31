//! Which backend a request goes to. Pure: a snapshot, a request, a random number.

use crate::http::{FieldLines, RequestHead};
use crate::plan::{
    Available, BackendId, Fields, Request, RuleId, Snapshot, Split, Standing, Stickiness, any_cookie, sticky_point,
};
use std::net::IpAddr;

/// A rule's answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) rule: RuleId,
    /// Where the backend stands in the rule's `backend_refs`.
    pub(super) index: usize,
    pub(super) backend: BackendId,
    /// The one whose turn it was and who has no endpoint, as a place in `backend_refs`.
    pub(super) instead_of: Option<usize>,
}

/// Why there is no [`Choice`], of which rule's backends if there is a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoChoice {
    Route,
    Redirect(RuleId),
    Weight(RuleId),
    Endpoint(RuleId),
}

/// The backend for `head`. `random` is drawn evenly from all of `u64`.
pub(super) fn choose(
    snapshot: &Snapshot,
    head: &RequestHead<'_, '_>,
    client: IpAddr,
    random: u64,
) -> Result<Choice, NoChoice> {
    let request = Request {
        method: head.method,
        host: head.host,
        path: head.path,
        query: head.query.unwrap_or(""),
        fields: head.fields,
    };
    let id = snapshot.plan.matcher.find(&request).ok_or(NoChoice::Route)?;
    let rule = &snapshot.plan.rules[id.index()];
    let split = &snapshot.splits[id.index()];
    let rollout = rule.rollout.map(|id| &snapshot.plan.rollouts[id.index()]);
    let sticky = rollout.and_then(|rollout| {
        let stickiness = rollout.stickiness.as_ref()?;
        point(stickiness, head.fields, client, rollout.name.as_bytes())
    });
    let Some(index) = split.pick(sticky.unwrap_or(random)) else {
        return Err(if rule.filters.redirect.is_some() { NoChoice::Redirect(id) } else { NoChoice::Weight(id) });
    };
    let available = |index: usize| &snapshot.endpoints[rule.backend_refs[index].backend.index()];
    let choice = |index: usize, instead_of| {
        let backend = rule.backend_refs[index].backend;
        Choice { rule: id, index, backend, instead_of }
    };
    if available(index).standing == Standing::Well {
        return Ok(choice(index, None));
    }
    // Stable stands in for its canary whatever its own weight; apart from that, only a backend that gets traffic
    // anyway stands in for another, so that what a rollback took out does not come back this way.
    let stable = rollout
        .filter(|rollout| rollout.canary == rule.backend_refs[index].backend)
        .and_then(|rollout| rule.backend_refs.iter().position(|r| r.backend == rollout.stable));
    let server = server(available, index, stable, split).ok_or(NoChoice::Endpoint(id))?;
    Ok(choice(server, (server != index).then_some(index)))
}

/// Who takes over a request that its rollout's canary failed at: stable, if that is well.
pub(super) fn stand_in(snapshot: &Snapshot, failed: &Choice) -> Option<Choice> {
    let rule = &snapshot.plan.rules[failed.rule.index()];
    let rollout = &snapshot.plan.rollouts[rule.rollout?.index()];
    if rollout.canary != failed.backend || snapshot.endpoints[rollout.stable.index()].standing != Standing::Well {
        return None;
    }
    let index = rule.backend_refs.iter().position(|reference| reference.backend == rollout.stable)?;
    Some(Choice { index, backend: rollout.stable, instead_of: None, ..*failed })
}

/// Who serves what is the turn of the backend at `index`, which is not well.
///
/// A canary never panics while its stable is well: what is wrong with it is a reason to try it less, and stable had the
/// whole load before. Any other backend panics while some of its endpoints are well: all that it carries would fall
/// upon another that is no bigger for it. One that is down is stood in for.
fn server<'s>(
    available: impl Fn(usize) -> &'s Available,
    index: usize,
    stable: Option<usize>,
    split: &Split,
) -> Option<usize> {
    let standing = |index: usize| available(index).standing;
    if let Some(stable) = stable.filter(|&stable| standing(stable) == Standing::Well) {
        return Some(stable);
    }
    if standing(index) == Standing::Panics {
        return Some(index);
    }
    let others = || {
        let weighted = split.shares().iter().filter(|share| share.weight > 0).map(|share| share.index);
        stable.into_iter().chain(weighted)
    };
    let better = others().find(|&other| standing(other) != Standing::Down);
    // Nobody is well anywhere: everybody keeps what is his, as long as he has endpoints to panic with.
    let any = || std::iter::once(index).chain(others()).find(|&other| !available(other).used.is_empty());
    better.or_else(any)
}

/// Where the request's user stands on the line of weights, if the request says who it is.
fn point(stickiness: &Stickiness, fields: FieldLines<'_, '_>, client: IpAddr, salt: &[u8]) -> Option<u64> {
    let mut found = None;
    let mut take = |key: &[u8]| {
        found = Some(sticky_point(key, salt));
        true
    };
    match stickiness {
        Stickiness::Header(name) => fields.any(name, take),
        Stickiness::Cookie(name) => any_cookie(&fields, name, take),
        Stickiness::ClientIp => match client {
            IpAddr::V4(address) => take(&address.octets()),
            IpAddr::V6(address) => take(&address.octets()),
        },
    };
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{BackendRef, Endpoint};
    use proptest::prelude::*;

    /// A backend of four endpoints of which so many are well; without any at all for `None`.
    fn available(well: Option<u16>) -> Available {
        let endpoints = (0..well.map_or(0, |_| 4)).map(|port| Endpoint::new(([127, 0, 0, 1], port).into()));
        Available::new(endpoints.collect(), 0.5, |endpoint| Some(endpoint.address.port()) < well)
    }

    fn serves(wells: &[Option<u16>], weights: &[u32], index: usize, stable: Option<usize>) -> Option<usize> {
        let all: Vec<_> = wells.iter().map(|well| available(*well)).collect();
        let refs = weights.iter().enumerate();
        let refs: Vec<_> = refs.map(|(n, &weight)| BackendRef { backend: BackendId::new(n), weight }).collect();
        server(|index| &all[index], index, stable, &Split::new(&refs))
    }

    #[test]
    fn stable_stands_in_for_its_canary_even_without_a_weight_and_nobody_else_without_one_does() {
        assert_eq!(serves(&[Some(4), None], &[0, 1], 1, Some(0)), Some(0));
        assert_eq!(serves(&[Some(4), None], &[0, 1], 1, None), None);
        assert_eq!(serves(&[Some(4), Some(0)], &[0, 1], 1, None), Some(1), "it panics, having endpoints");
    }

    #[test]
    fn a_canary_panics_when_its_stable_panics() {
        assert_eq!(serves(&[Some(2), Some(1)], &[9, 1], 1, Some(0)), Some(0));
        assert_eq!(serves(&[Some(1), Some(1)], &[9, 1], 1, Some(0)), Some(1));
        assert_eq!(serves(&[Some(1), Some(0)], &[9, 1], 1, Some(0)), Some(0), "one of stable is better than none");
        assert_eq!(serves(&[Some(0), Some(0)], &[9, 1], 1, Some(0)), Some(1));
    }

    proptest! {
        /// Nobody is turned away while anybody has endpoints, and nobody is sent to a backend that is down while
        /// another one, which gets traffic anyway, is not.
        #[test]
        fn whoever_can_serve_serves(
            mut wells in proptest::collection::vec(proptest::option::of(0_u16..=4), 2..5), index in 0_usize..2,
            guarded: bool,
        ) {
            // Whose turn it is is not well, or nobody would ask.
            wells[index] = wells[index].map(|well| well.min(1));
            let stable = (guarded && index == 1).then_some(0);
            let server = serves(&wells, &vec![1; wells.len()], index, stable);
            prop_assert_eq!(server.is_none(), wells.iter().all(Option::is_none));
            let is_down = |index: usize| wells[index].is_none_or(|well| well == 0);
            if let Some(server) = server {
                prop_assert!(!is_down(server) || (0..wells.len()).all(is_down));
                prop_assert!(is_down(index) || server == index || stable == Some(server));
            }
        }
    }
}
