//! Asks the world outside, on a thread of its own, what the judges want to know.
//!
//! Whoever holds an [`Asker`] says again and again what is to be asked, and takes what has been answered; neither
//! waits. A question is a task: it asks at once, then once an interval, one request at a time, until nobody wants to
//! know any more. An answer is handed out only while the very question that it answers is still asked.

use super::call::Client;
use super::hook::Call;
use super::judge::{Question, QuestionOf, promotion_limits};
use super::limits::Answer;
use super::prometheus::Query;
use super::state::Phase;
use super::trial::HookAnswer;
use crate::net::https;
use crate::plan::{Limit, Plan, Rollout};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// Answers that wait to be taken; whoever has another one waits with it.
const MOST_ANSWERS: usize = 256;

/// Asks questions. The thread starts with the first one.
#[derive(Debug, Default)]
pub(super) struct Asker {
    thread: Option<Thread>,
    asked: BTreeMap<(Arc<str>, Question), Asked>,
    /// The number of the last question that was begun.
    last: u64,
    /// Whether the thread could not be started, and that has been said.
    without_thread: bool,
}

/// One question that is to be asked now.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) spec: &'a Rollout,
    pub(super) question: Question,
    pub(super) phase: Phase,
}

/// An answer to a question.
#[derive(Debug)]
pub(super) struct Answered {
    /// The rollout that wanted to know.
    pub(super) rollout: Arc<str>,
    pub(super) question: Question,
    pub(super) said: Said,
    number: u64,
}

/// What was answered.
#[derive(Debug)]
pub(super) enum Said {
    /// By a webhook.
    Hook(HookAnswer),
    /// By a Prometheus server.
    Query(Answer),
}

/// The thread that asks. It ends when this is dropped.
#[derive(Debug)]
struct Thread {
    runtime: Handle,
    answers: mpsc::Receiver<Answered>,
    answer: mpsc::Sender<Answered>,
    client: Arc<LazyLock<Client>>,
    _until_dropped: oneshot::Sender<()>,
}

/// A question under way; dropped, it is asked no more.
#[derive(Debug)]
struct Asked {
    number: u64,
    ask: Arc<Ask>,
    /// That `ask` was made from.
    plan: Arc<Plan>,
    /// Goes with the question when it is put; another one is no reason to ask anew.
    phase: watch::Sender<Phase>,
    task: AbortHandle,
    wanted: bool,
}

/// All there is to know to ask.
#[derive(Debug, PartialEq)]
enum Ask {
    Hook(Call),
    Query(Query),
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asker {
    /// From now on `wanted`, which is about rollouts of `plan`, is what is asked, and nothing else.
    pub(super) fn want<'a>(&mut self, plan: &Arc<Plan>, wanted: impl Iterator<Item = Wanted<'a>>) {
        self.asked.values_mut().for_each(|asked| asked.wanted = false);
        for Wanted { spec, question, phase } in wanted {
            let key = (Arc::clone(&spec.name), question);
            if let Some(asked) = self.asked.get_mut(&key)
                && asked.is_still(plan, spec, question)
            {
                asked.wanted = true;
                asked.phase.send_if_modified(|known| std::mem::replace(known, phase) != phase);
            } else if let Some(ask) = Ask::new(plan, spec, question) {
                self.begin(key, ask, plan, phase);
            }
        }
        self.asked.retain(|_, asked| asked.wanted);
    }

    /// The next answer that has come to a question that is asked.
    pub(super) fn answer(&mut self) -> Option<Answered> {
        loop {
            let answered = self.thread.as_mut()?.answers.try_recv().ok()?;
            let key = (answered.rollout, answered.question);
            if self.asked.get(&key).is_some_and(|asked| asked.number == answered.number) {
                return Some(Answered { rollout: key.0, ..answered });
            }
        }
    }

    fn begin(&mut self, key: (Arc<str>, Question), ask: Ask, plan: &Arc<Plan>, phase: Phase) {
        let Some(thread) = self.thread() else { return };
        let (ask, client, answer) = (Arc::new(ask), Arc::clone(&thread.client), thread.answer.clone());
        let (phase, phases) = watch::channel(phase);
        let runtime = thread.runtime.clone();
        self.last += 1;
        let (rollout, question, number) = (Arc::clone(&key.0), key.1, self.last);
        let tag = move |said| Answered { rollout: Arc::clone(&rollout), question, said, number };
        let task = runtime.spawn(ask_on(Arc::clone(&ask), client, phases, answer, tag)).abort_handle();
        self.asked.insert(key, Asked { number, ask, plan: Arc::clone(plan), phase, task, wanted: true });
    }

    fn thread(&mut self) -> Option<&Thread> {
        if self.thread.is_none() {
            match Thread::start() {
                Ok(thread) => (self.thread, self.without_thread) = (Some(thread), false),
                Err(error) if !self.without_thread => {
                    tracing::error!(%error, "no thread to ask webhooks and queries: gates stay shut, steps are held");
                    self.without_thread = true;
                }
                Err(_) => {}
            }
        }
        self.thread.as_ref()
    }
}

impl Asked {
    /// Whether it is what `question` comes to in `plan`.
    fn is_still(&mut self, plan: &Arc<Plan>, spec: &Rollout, question: Question) -> bool {
        if !Arc::ptr_eq(&self.plan, plan) {
            if Ask::new(plan, spec, question).as_ref() != Some(&*self.ask) {
                return false;
            }
            self.plan = Arc::clone(plan);
        }
        true
    }
}

impl Ask {
    /// `None` if `spec` has no such thing to ask.
    fn new(plan: &Plan, spec: &Rollout, question: Question) -> Option<Self> {
        let query = |limit: Option<&Limit>| match limit {
            Some(Limit::Query(limit)) => Some(Self::Query(Query::new(plan, spec, limit))),
            Some(Limit::Requests(_)) | None => None,
        };
        match question.of {
            QuestionOf::Webhook(index) => spec.webhooks.get(index).map(|hook| Self::Hook(Call::new(spec, hook))),
            QuestionOf::Rollback(index) => query(spec.rollback.get(index)),
            QuestionOf::Promotion(index) => query(promotion_limits(spec).get(index)),
        }
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (until_dropped, dropped) = oneshot::channel::<()>();
        let run = move || drop(runtime.block_on(dropped));
        std::thread::Builder::new().name("serin-asks".to_owned()).spawn(run)?;
        let (answer, answers) = mpsc::channel(MOST_ANSWERS);
        let client = Arc::new(LazyLock::new(https::client as fn() -> Client));
        Ok(Self { runtime: handle, answers, answer, client, _until_dropped: until_dropped })
    }
}

/// The task: one question, for as long as it is asked.
async fn ask_on(
    ask: Arc<Ask>,
    client: Arc<LazyLock<Client>>,
    phase: watch::Receiver<Phase>,
    answers: mpsc::Sender<Answered>,
    tag: impl Fn(Said) -> Answered,
) {
    loop {
        let began = Instant::now();
        let (said, next) = match &*ask {
            Ask::Hook(call) => {
                let phase = *phase.borrow();
                let said = call.ask(&client, phase).await;
                (Said::Hook(said), Instant::now() + call.webhook.interval)
            }
            Ask::Query(query) => (Said::Query(query.ask(&client).await), began + query.interval),
        };
        if answers.send(tag(said)).await.is_err() {
            return;
        }
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests;
