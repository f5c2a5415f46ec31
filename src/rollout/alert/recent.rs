//! What was told lately, so that what comes and goes is told once and not at every turn.

use crate::rollout::record::{Decision, Kind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The same is not told again within this time.
const QUIET: Duration = Duration::from_secs(300);

/// So many are remembered; the oldest is forgotten for the next one.
const MOST: usize = 1_024;

/// What was told lately, the latest last.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, Told)>);

/// What makes two alerts the same.
#[derive(Debug, PartialEq)]
struct Told {
    url: Arc<str>,
    rollout: Arc<str>,
    revision: Arc<str>,
    event: Kind,
    step: Option<usize>,
    /// As they are written.
    grounds: String,
    /// For a rollback, of which each is one of its own.
    at: Option<String>,
}

impl Recent {
    /// Whether `url` is to be told `decision`: not if it was lately. It is remembered as told.
    pub(super) fn is_news(&mut self, url: &Arc<str>, decision: &Decision, now: Instant) -> bool {
        let told = Told {
            url: Arc::clone(url),
            rollout: Arc::clone(&decision.rollout),
            revision: Arc::clone(&decision.revision),
            event: decision.event,
            step: decision.step,
            grounds: serde_json::to_string(&decision.grounds).expect("grounds are strings and numbers"),
            at: (decision.event == Kind::RolledBack).then(|| decision.at.to_string()),
        };
        // The same rollback is no news however late it comes.
        self.0.retain(|(at, told)| told.at.is_some() || now.saturating_duration_since(*at) < QUIET);
        if self.0.iter().any(|(_, known)| *known == told) {
            return false;
        }
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((now, told));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::decision;
    use super::*;
    use crate::rollout::record::Grounds;
    use crate::rollout::time::Timestamp;

    #[test]
    fn the_same_is_told_again_after_five_minutes_and_something_else_at_once() {
        let (mut recent, began) = (Recent::default(), Instant::now());
        let [url, other]: [Arc<str>; 2] = ["http://a/".into(), "http://b/".into()];
        let held = Decision { event: Kind::Inconclusive, ..decision(Grounds::Plan) };
        assert!(recent.is_news(&url, &held, began));
        assert!(!recent.is_news(&url, &held, began + QUIET.mul_f64(0.999)));
        assert!(recent.is_news(&url, &held, began + QUIET));
        assert!(recent.is_news(&other, &held, began + QUIET), "another receiver has not heard it");
        for news in [
            Decision { revision: "2".into(), ..held.clone() },
            Decision { step: Some(2), ..held.clone() },
            Decision { event: Kind::Paused, ..held.clone() },
            Decision { grounds: Grounds::StableNotReady, ..held.clone() },
        ] {
            assert!(recent.is_news(&url, &news, began + QUIET), "{news:?}");
        }
    }

    #[test]
    fn every_rollback_is_news_once() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let url = "http://a/".into();
        let first = decision(Grounds::Operator { verb: "abort".into() });
        let second = Decision { at: Timestamp::from_duration(Duration::from_secs(1)), ..first.clone() };
        assert!(recent.is_news(&url, &first, now) && recent.is_news(&url, &second, now));
        assert!(!recent.is_news(&url, &first, now + 10 * QUIET));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let url = "http://a/".into();
        for ms in 0..2 * MOST as u64 {
            let at = Timestamp::from_duration(Duration::from_millis(ms));
            recent.is_news(&url, &Decision { at, ..decision(Grounds::Plan) }, now);
        }
        assert_eq!(recent.0.len(), MOST);
    }
}
