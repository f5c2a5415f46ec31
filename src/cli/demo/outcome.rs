//! How the demo ended, told from what its own services and clients counted.

use super::load::Clients;
use super::service::Tally;
use std::fmt;
use std::time::Duration;

/// What there was to see.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) canary_version: &'static str,
    /// Whether the canary was to fail, sooner or later.
    pub(super) is_to_fail: bool,
    /// Whether the admin API showed the canary out of the split.
    pub(super) taken_out: bool,
    pub(super) canary: Tally,
    pub(super) clients: Clients,
}

/// How the demo ended. Its text is the demo's last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    canary: &'static str,
    verdict: Verdict,
    lost: u64,
    requests: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It failed and was taken out.
    Out {
        failed: u64,
        /// From the first response that it failed to the last request that reached it.
        after: Duration,
    },
    /// It failed and was not taken out.
    LeftIn { failed: u64 },
    /// It did not fail, and stayed in.
    Healthy,
    /// It was to fail later on.
    EndedEarly,
    /// It did not fail, and was taken out all the same.
    Blamed,
}

impl Outcome {
    pub(super) fn of(seen: &Seen) -> Self {
        let failed = seen.canary.failed;
        let verdict = match (seen.taken_out, failed > 0, seen.is_to_fail) {
            (true, true, _) => Verdict::Out {
                failed,
                after: Duration::from_micros(seen.canary.last_request_us.saturating_sub(seen.canary.first_failed_us)),
            },
            (true, false, _) => Verdict::Blamed,
            (false, false, false) => Verdict::Healthy,
            (false, false, true) => Verdict::EndedEarly,
            (false, true, _) => Verdict::LeftIn { failed },
        };
        Self {
            canary: seen.canary_version,
            verdict,
            lost: seen.clients.lost(),
            requests: seen.clients.stable + seen.clients.unanswered,
        }
    }

    /// Whether Serin did what it promises: a canary that fails is out, one that doesn't is not, and stable lost nothing.
    pub fn is_as_promised(&self) -> bool {
        self.lost == 0 && matches!(self.verdict, Verdict::Out { .. } | Verdict::Healthy)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "canary {} ", self.canary)?;
        match &self.verdict {
            Verdict::Out { failed, after } => {
                let noun = if *failed == 1 { "request" } else { "requests" };
                write!(f, "was out after {failed} failed {noun}, {} ms after the first one", after.as_millis())
            }
            Verdict::LeftIn { failed } => write!(f, "failed {failed} requests and was not taken out"),
            Verdict::Healthy => write!(f, "failed nothing and stayed in"),
            Verdict::EndedEarly => write!(f, "had not begun to fail when the demo was ended"),
            Verdict::Blamed => write!(f, "failed nothing and was taken out all the same"),
        }?;
        write!(f, "; stable lost {} of {} requests", self.lost, self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(taken_out: bool, failed: u64, is_to_fail: bool) -> Seen {
        Seen {
            canary_version: "2.0.0",
            is_to_fail,
            taken_out,
            canary: Tally { failed, first_failed_us: 1_000_000, last_request_us: 1_212_900 },
            clients: Clients { stable: 12_345, stable_failed: 0, canary: 600, unanswered: 0 },
        }
    }

    #[test]
    fn the_last_line_says_how_many_requests_failed_and_how_long_it_took() {
        let outcome = Outcome::of(&seen(true, 7, true));
        assert_eq!(
            outcome.to_string(),
            "canary 2.0.0 was out after 7 failed requests, 212 ms after the first one; stable lost 0 of 12345 requests"
        );
        assert!(outcome.is_as_promised());
    }

    #[test]
    fn a_failing_canary_that_stays_in_and_a_sound_one_that_is_taken_out_break_the_promise() {
        assert!(!Outcome::of(&seen(false, 7, true)).is_as_promised());
        assert!(!Outcome::of(&seen(false, 0, true)).is_as_promised(), "it was ended too early to show anything");
        assert!(!Outcome::of(&seen(true, 0, false)).is_as_promised());
        assert!(Outcome::of(&seen(false, 0, false)).is_as_promised());
    }

    #[test]
    fn a_lost_request_of_stable_breaks_the_promise() {
        let mut seen = seen(true, 7, true);
        seen.clients.unanswered = 1;
        let outcome = Outcome::of(&seen);
        assert!(!outcome.is_as_promised());
        assert!(outcome.to_string().ends_with("stable lost 1 of 12346 requests"));
    }
}
