//! Who is asked what, and when: the one way in which endpoints are asked.
//!
//! A backend with a health check is always asked. Of the others only a side of a rollout that gets no requests is:
//! whether it could take some, nobody else would find out.

use super::ask::{Question, Unwell, ask};
use crate::plan::{Endpoint, HealthCheck};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What an endpoint is asked, and when again.
#[derive(Debug)]
pub(super) struct Probe {
    question: Question,
    due_ms: u64,
    under_way: bool,
    /// What it answered last, if it has.
    pub(super) answer: Option<bool>,
}

/// What an endpoint answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) backend: Arc<str>,
    pub(super) endpoint: Endpoint,
    question: Question,
    pub(super) well: Result<(), Unwell>,
}

/// The questions that are under way, and the answers that have come.
#[derive(Debug)]
pub(super) struct Asker {
    answers: mpsc::UnboundedReceiver<Answer>,
    sender: mpsc::UnboundedSender<Answer>,
    under_way: usize,
}

/// How a question is put.
pub(super) struct Manner {
    question: Question,
    interval: Duration,
    patience: Duration,
}

/// From one connection to the next where nothing is said about it.
const INTERVAL: Duration = Duration::from_millis(500);
/// For one such connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// No more questions are put at a time; the others wait for a moment.
const MOST_UNDER_WAY: usize = 512;

impl Manner {
    /// How a backend is asked, if it is.
    pub(super) fn of(health: Option<&HealthCheck>, is_unserved: bool) -> Option<Self> {
        let get = |health: &HealthCheck| Self {
            question: Question::Asks(health.question.clone()),
            interval: health.interval,
            patience: health.timeout,
        };
        let connect = || Self { question: Question::Connect, interval: INTERVAL, patience: PATIENCE };
        health.map(get).or_else(|| is_unserved.then(connect))
    }
}

impl Asker {
    pub(super) fn new() -> Self {
        let (sender, answers) = mpsc::unbounded_channel();
        Self { answers, sender, under_way: 0 }
    }

    /// Asks `endpoint` if its turn has come, which it has at once when the question is new. Inside a `LocalSet`; waits
    /// for nothing.
    pub(super) fn ask(
        &mut self,
        backend: &Arc<str>,
        endpoint: &Endpoint,
        probe: &mut Option<Probe>,
        manner: Option<&Manner>,
        now_ms: u64,
    ) {
        let Some(Manner { question, interval, patience }) = manner else {
            *probe = None;
            return;
        };
        if probe.as_ref().is_none_or(|probe| probe.question != *question) {
            *probe = Some(Probe { question: question.clone(), due_ms: now_ms, under_way: false, answer: None });
        }
        let Some(probe) = probe.as_mut().filter(|probe| !probe.under_way && probe.due_ms <= now_ms) else { return };
        if self.under_way >= MOST_UNDER_WAY {
            return;
        }
        // A tenth more or less, so that endpoints and replicas that began together are not asked together for ever.
        let wait = interval.mul_f64(rand::random_range(0.9..=1.1));
        probe.due_ms = now_ms + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 2);
        probe.under_way = true;
        self.under_way += 1;
        let (backend, endpoint, question) = (Arc::clone(backend), endpoint.clone(), question.clone());
        let (sender, patience) = (self.sender.clone(), *patience);
        tokio::task::spawn_local(async move {
            let asked = question.clone();
            ask(&endpoint, &asked, patience, |well| {
                // The control thread is gone when nobody listens; then nobody asks either.
                let _ = sender.send(Answer { backend, endpoint: endpoint.clone(), question, well });
            })
            .await;
        });
    }

    /// The next answer that has come.
    pub(super) fn next(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.under_way -= 1;
        Some(answer)
    }
}

impl Probe {
    /// Takes `answer` in; whether it is one to the question that is asked now.
    pub(super) fn take(&mut self, answer: &Answer) -> bool {
        let is_to_this = self.question == answer.question;
        if is_to_this {
            self.under_way = false;
            self.answer = Some(answer.well.is_ok());
        }
        is_to_this
    }
}
