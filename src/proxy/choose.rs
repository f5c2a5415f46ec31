//! Which backend a request goes to. Pure: a snapshot, a request, a random number.

use crate::http::{FieldLines, RequestHead};
use crate::plan::{BackendId, Fields, Request, RuleId, Snapshot, Stickiness, any_cookie, sticky_point};
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

/// Why there is no [`Choice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoChoice {
    Route,
    Weight,
    Endpoint,
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
    let index = split.pick(sticky.unwrap_or(random)).ok_or(NoChoice::Weight)?;
    let has_endpoint = |index: usize| !snapshot.endpoints[rule.backend_refs[index].backend.index()].is_empty();
    let choice = |index: usize, instead_of| {
        let backend = rule.backend_refs[index].backend;
        Choice { rule: id, index, backend, instead_of }
    };
    if has_endpoint(index) {
        return Ok(choice(index, None));
    }
    // Stable stands in for its canary whatever its own weight; apart from that, only a backend that gets traffic
    // anyway stands in for another, so that what a rollback took out does not come back this way.
    let stable = rollout
        .filter(|rollout| rollout.canary == rule.backend_refs[index].backend)
        .and_then(|rollout| rule.backend_refs.iter().position(|r| r.backend == rollout.stable));
    let weighted = split.shares().iter().filter(|share| share.weight > 0).map(|share| share.index);
    let mut stand_ins = stable.into_iter().chain(weighted);
    stand_ins.find(|&index| has_endpoint(index)).map(|other| choice(other, Some(index))).ok_or(NoChoice::Endpoint)
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
