//! What a rule says of time-outs and of trying a request again.

use super::settings::LONGEST;
use super::{Check, all, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units::format_duration;
use crate::plan::{ErrorCodes, Retry, Timeouts};
use std::time::Duration;

/// More tries than this hide a fault instead of bridging it.
const MOST_ATTEMPTS: usize = 10;
/// A client that waits longer has gone.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
const BACKOFF: Duration = Duration::from_millis(25);

/// How long a rule's requests may take: all attempts together, and each one of them.
pub(super) struct Times {
    pub(super) timeouts: Timeouts,
    pub(super) backend_request: Option<Duration>,
}

impl Check<'_> {
    /// A rule's times, on the ground of those of the whole file: those, and where the file says how long a whole request
    /// may take.
    pub(super) fn rule_timeouts(
        self,
        raw: Option<&raw::RuleTimeouts>,
        (mut timeouts, place): (Timeouts, Option<Place>),
    ) -> Option<Times> {
        let Some(raw) = raw else { return Some(Times { timeouts, backend_request: None }) };
        let request = raw.request.as_ref().map(|at| self.bound_of("request", at));
        let backend_request = raw.backend_request.as_ref().map(|at| Some((self.bound_of("backendRequest", at)?, at)));
        if let Some(request) = request {
            timeouts.request = request?;
        }
        let Some(backend_request) = backend_request else { return Some(Times { timeouts, backend_request: None }) };
        let (backend_request, at) = backend_request?;
        let place = raw.request.as_ref().map(|at| at.place).or(place);
        if let (Some(one), Some(whole), Some(place)) = (backend_request, timeouts.request, place)
            && one > whole
        {
            let title =
                format!("`backendRequest` of {} is longer than the whole request may take", format_duration(one));
            let problem = Problem::new(at.place, title).label(format!("at most {}", format_duration(whole)));
            let problem = problem.also(place, "the whole request, with every attempt");
            self.report(problem.help("lower it, or raise `request`"));
            return None;
        }
        Some(Times { timeouts, backend_request })
    }

    /// A duration of which 0 means that there is no bound, as in `HTTPRoute`.
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    fn bound_of(self, key: &str, at: &At<raw::DurationText>) -> Option<Option<Duration>> {
        let text = &at.get()?.0;
        if text == "off" {
            let problem = Problem::new(at.place, format!("`{key}` of a rule cannot be `off`")).label("not a duration");
            self.report(problem.help("`0s` waits for ever, as in HTTPRoute"));
            return None;
        }
        let duration = self.duration(key, at, text, Duration::ZERO..=LONGEST)?;
        Some((!duration.is_zero()).then_some(duration))
    }

    pub(super) fn retry(self, raw: &raw::Retry) -> Option<Retry> {
        let attempts = self.count("attempts", raw.attempts.as_ref(), 1, 1..=MOST_ATTEMPTS);
        let codes = value(raw.codes.as_ref()).map_or(Some(Vec::new()), |list| all(list.iter().map(|at| self.code(at))));
        let backoff = raw
            .backoff
            .as_ref()
            .map_or(Some(BACKOFF), |at| self.duration("backoff", at, &at.get()?.0, Duration::ZERO..=LONGEST_BACKOFF));
        let per_try_timeout = raw.per_try_timeout.as_ref().map_or(Some(None), |at| self.bound_of("perTryTimeout", at));
        Some(Retry {
            attempts: u32::try_from(attempts?).expect("a few"),
            codes: codes?.into_iter().collect(),
            backoff: backoff?,
            per_try_timeout: per_try_timeout?,
        })
    }

    fn code(self, at: &At<u64>) -> Option<u16> {
        let code = *at.get()?;
        let known = u16::try_from(code).ok().filter(|code| ErrorCodes::RANGE.contains(code));
        if known.is_none() {
            let problem = Problem::new(at.place, format!("a response with {code} cannot be tried again"));
            self.report(problem.label("400 to 599").help("every other code is an answer"));
        }
        known
    }
}
