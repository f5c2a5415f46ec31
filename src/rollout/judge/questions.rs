//! What a judge wants to know of the world outside, and which of the answers count.

use super::Judge;
use crate::plan::{Limit, Rollout, WebhookKind};
use crate::rollout::gates;
use crate::rollout::limits::{Answer, Guard};
use crate::rollout::time::Now;
use crate::rollout::trial::HookAnswer;

/// Something that the world outside is to be asked, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rollout) struct Question {
    pub(in crate::rollout) of: QuestionOf,
    pub(in crate::rollout) occasion: u64,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rollout) enum QuestionOf {
    /// The webhook at this place of the spec's.
    Webhook(usize),
    /// The query at this place of the spec's `rollback` limits.
    Rollback(usize),
    /// The query at this place of the spec's `promotion` limits.
    Promotion(usize),
}

impl Judge {
    /// What the world outside is to be asked where it stands.
    pub(in crate::rollout) fn questions(&self, spec: &Rollout) -> Vec<Question> {
        let webhooks = gates::asked(spec, &self.trial, &self.seen).into_iter().map(QuestionOf::Webhook);
        let asked = self.trial.state.standing.canary_gets_traffic();
        let queries = |guards: &[Guard], of: fn(usize) -> QuestionOf| -> Vec<QuestionOf> {
            let queries = guards.iter().enumerate().filter(|(_, guard)| matches!(guard.limit(), Limit::Query(_)));
            queries.filter(|_| asked).map(|(index, _)| of(index)).collect()
        };
        let rollback = queries(&self.guards, QuestionOf::Rollback);
        let promotion = queries(&self.promotion, QuestionOf::Promotion);
        let all = webhooks.chain(rollback).chain(promotion);
        all.map(|of| Question { of, occasion: self.occasion_of(spec, of) }).collect()
    }

    /// A webhook's answer to `question`.
    pub(in crate::rollout) fn heard(&mut self, spec: &Rollout, question: Question, answer: HookAnswer) {
        let QuestionOf::Webhook(index) = question.of else { return };
        if question.occasion == self.occasion_of(spec, question.of)
            && let Some(heard) = self.seen.heard.get_mut(index)
        {
            heard.hear(answer);
        }
    }

    /// A query's answer to `question`.
    pub(in crate::rollout) fn answered(&mut self, spec: &Rollout, question: Question, answer: &Answer, now: Now) {
        if question.occasion != self.occasion_of(spec, question.of) {
            return;
        }
        let guard = match question.of {
            QuestionOf::Webhook(_) => None,
            QuestionOf::Rollback(index) => self.guards.get_mut(index),
            QuestionOf::Promotion(index) => self.promotion.get_mut(index),
        };
        if let Some(guard) = guard {
            guard.answered(answer, now);
        }
    }

    /// Gates are asked anew at each point; everything else once a trial.
    fn occasion_of(&self, spec: &Rollout, of: QuestionOf) -> u64 {
        let lasts = match of {
            QuestionOf::Webhook(index) => spec.webhooks.get(index).is_some_and(|hook| is_lasting(hook.kind)),
            QuestionOf::Rollback(_) | QuestionOf::Promotion(_) => true,
        };
        if lasts { self.trials } else { self.points }
    }
}

/// Whether a webhook's answer counts for as long as the trial lasts, and not for one point of it.
pub(super) fn is_lasting(kind: WebhookKind) -> bool {
    matches!(kind, WebhookKind::Rollout | WebhookKind::Rollback)
}
