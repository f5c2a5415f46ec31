//! The controller's side of the questions: what is asked, and to whom the answers go.

use super::Controller;
use crate::rollout::ask::{Answered, Said, Wanted};
use crate::rollout::time::Now;

impl Controller {
    /// Has asked what every judge wants to know where it stands now, and nothing else.
    pub(super) fn ask(&mut self) {
        let both = self.judges.iter().zip(&self.plan.rollouts);
        let wanted = both.flat_map(|(judge, spec)| {
            let phase = judge.trial.state.phase();
            judge.questions(spec).into_iter().map(move |question| Wanted { spec, question, phase })
        });
        self.asker.want(&self.plan, wanted);
    }

    /// Gives the judges the answers that have come.
    pub(super) fn hear(&mut self, now: Now) {
        while let Some(Answered { rollout, question, said, .. }) = self.asker.answer() {
            let mut both = self.judges.iter_mut().zip(&self.plan.rollouts);
            let Some((judge, spec)) = both.find(|(_, spec)| spec.name == rollout) else { continue };
            match said {
                Said::Hook(answer) => judge.heard(spec, question, answer),
                Said::Query(answer) => judge.answered(spec, question, &answer, now),
            }
        }
    }
}
