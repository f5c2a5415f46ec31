//! What an endpoint's answers make of it. Pure.

/// What is known of an endpoint that is asked how it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Check {
    state: State,
    /// How many answers in a row speak against the state.
    against: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// It has not answered once. Nobody is to be the first to find out with a request of his own.
    #[default]
    Unasked,
    Well,
    Unwell,
}

impl Check {
    /// Of an endpoint that served before anybody asked it.
    pub(super) fn presumed() -> Self {
        Self { state: State::Well, against: 0 }
    }

    pub(super) fn is_well(self) -> bool {
        self.state == State::Well
    }

    pub(super) fn is_unasked(self) -> bool {
        self.state == State::Unasked
    }

    /// Takes an answer in; what the endpoint is now, if that is a change. The first answer is believed at once.
    pub(super) fn learn(&mut self, well: bool, healthy_threshold: u32, unhealthy_threshold: u32) -> Option<bool> {
        let threshold = match self.state {
            State::Unasked => 1,
            _ if self.is_well() == well => {
                self.against = 0;
                return None;
            }
            State::Unwell => healthy_threshold,
            State::Well => unhealthy_threshold,
        };
        self.against += 1;
        if self.against < threshold {
            return None;
        }
        *self = Self { state: if well { State::Well } else { State::Unwell }, against: 0 };
        Some(well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_answer_is_believed_at_once() {
        for well in [true, false] {
            let mut check = Check::default();
            assert!(check.is_unasked() && !check.is_well());
            assert_eq!(check.learn(well, 2, 3), Some(well));
            assert!(!check.is_unasked());
        }
    }

    proptest! {
        /// Whatever is answered, the state is that of the last run of equal answers that was long enough.
        #[test]
        fn it_takes_a_whole_run_of_answers_to_change_its_state(
            answers in proptest::collection::vec(any::<bool>(), 1..60), healthy in 1_u32..5, unhealthy in 1_u32..5,
        ) {
            let (mut check, mut state, mut run) = (Check::presumed(), true, 0);
            for (n, &well) in answers.iter().enumerate() {
                run = if n > 0 && answers[n - 1] == well { run + 1 } else { 1 };
                if well != state && run >= if well { healthy } else { unhealthy } {
                    state = well;
                    prop_assert_eq!(check.learn(well, healthy, unhealthy), Some(well));
                } else {
                    prop_assert_eq!(check.learn(well, healthy, unhealthy), None);
                }
                prop_assert_eq!(check.is_well(), state);
            }
        }
    }
}
