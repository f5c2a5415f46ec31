//! Delivers messages on a thread of its own, so that a receiver that hangs, or TLS, never delays a judgement.
//!
//! A message is a JSON `POST`. Any answer of the 2xx class is taken for received; anything else, silence included, is
//! tried again with growing pauses, and given up with an error in the log after [`Patience::give_up`]. The state is
//! saved first, so that whoever is told and restarts Serin finds the decision; but not for long, because a disk that
//! hangs is no reason to keep quiet.

use crate::net::https;
use crate::rollout::call::Client;
use crate::rollout::call::{self, host};
use crate::rollout::time::duration_text;
use crate::store::Saved;
use bytes::Bytes;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

/// Messages under way at once; more are dropped with an error in the log.
const MOST: usize = 256;

/// So many of them are kept for the urgent ones: what is routine to a receiver that is gone has to leave them room.
const KEPT_FOR_URGENT: usize = 128;

/// How long a message waits for its state to be saved.
const WAIT_FOR_SAVE: Duration = Duration::from_secs(2);

/// How long a message is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one try, from the name's resolution to the response's head.
    pub attempt: Duration,
    /// Between the first try and the second; doubled for each further one.
    pub first_pause: Duration,
    /// The pauses grow no longer than this.
    pub longest_pause: Duration,
    /// No try begins later than this after the first.
    pub give_up: Duration,
}

impl Default for Patience {
    /// 5 s a try, pauses of 0.5 s to 30 s, for 10 minutes.
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(5),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            give_up: Duration::from_secs(600),
        }
    }
}

/// What somebody is to receive.
#[derive(Debug)]
pub(super) struct Message {
    /// Where to.
    pub(super) url: Arc<str>,
    /// JSON.
    pub(super) body: Bytes,
    /// `alert`, or the webhook's name; for the log.
    pub(super) to: Arc<str>,
    /// What it says, in a sentence; for the log.
    pub(super) about: Arc<str>,
    /// Dropped last of all when there are too many.
    pub(super) urgent: bool,
    /// For one try, where that is not what the patience says.
    pub(super) attempt: Option<Duration>,
    /// It goes out once this has ended.
    pub(super) saved: Option<Saved>,
}

/// Delivers messages. The thread starts with the first one.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    patience: Patience,
    jobs: Option<UnboundedSender<Job>>,
    under_way: Arc<UnderWay>,
}

#[derive(Debug)]
struct Job {
    message: Message,
    /// Dropped when the job is done, one way or the other.
    _counted: Counted,
}

#[derive(Debug, Default)]
struct UnderWay {
    messages: Mutex<usize>,
    fewer: Condvar,
}

/// One message in [`UnderWay`].
#[derive(Debug)]
struct Counted(Arc<UnderWay>);

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.messages.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

impl Delivery {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Hands `message` over. What cannot be delivered is in the log.
    pub(super) fn send(&mut self, message: Message) {
        let (to, about) = (Arc::clone(&message.to), Arc::clone(&message.about));
        let Some(counted) = self.count(message.urgent) else {
            tracing::error!(to = &*to, about = &*about, "too many messages under way: this one is not sent");
            return;
        };
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => match start(self.patience) {
                Ok(jobs) => self.jobs.insert(jobs),
                Err(error) => {
                    tracing::error!(%error, to = &*to, about = &*about, "no thread to send messages: not sent");
                    return;
                }
            },
        };
        if jobs.send(Job { message, _counted: counted }).is_err() {
            tracing::error!(to = &*to, about = &*about, "the thread that sends messages is gone: not sent");
            self.jobs = None;
        }
    }

    /// Waits until no message is under way, for `timeout` at most; says how many still are.
    pub(super) fn flush(&self, timeout: Duration) -> usize {
        let messages = self.under_way.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.under_way.fewer.wait_timeout_while(messages, timeout, |messages| *messages > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn count(&self, urgent: bool) -> Option<Counted> {
        let most = if urgent { MOST } else { MOST - KEPT_FOR_URGENT };
        let mut messages = self.under_way.messages.lock().unwrap_or_else(PoisonError::into_inner);
        (*messages < most).then(|| {
            *messages += 1;
            Counted(Arc::clone(&self.under_way))
        })
    }
}

fn start(patience: Patience) -> std::io::Result<UnboundedSender<Job>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (jobs, received) = unbounded_channel();
    let run = move || runtime.block_on(run(received, patience));
    std::thread::Builder::new().name("serin-alerts".to_owned()).spawn(run)?;
    Ok(jobs)
}

/// The thread: a task a message.
async fn run(mut jobs: UnboundedReceiver<Job>, patience: Patience) {
    let client = https::client();
    while let Some(job) = jobs.recv().await {
        tokio::spawn(deliver(client.clone(), job, patience));
    }
}

async fn deliver(client: Client, mut job: Job, patience: Patience) {
    if let Some(saved) = job.message.saved.take()
        && timeout(WAIT_FOR_SAVE, saved.wait()).await.is_err()
    {
        tracing::warn!("the state is not saved yet; people are told before it is");
    }
    let Message { url, to, about, .. } = &job.message;
    let (url, to, about) = (host(url), &**to, &**about);
    let (began, mut pause) = (Instant::now(), patience.first_pause);
    for attempt in 1_u32.. {
        let Err(failure) = post(&client, &job.message, patience).await else {
            tracing::info!(to, url, attempt, "sent");
            return;
        };
        if began.elapsed() + pause > patience.give_up {
            tracing::error!(to, url, attempt, failure, about, "given up: nobody has received this");
            return;
        }
        tracing::warn!(to, url, attempt, failure, "not received, trying again");
        sleep(pause).await;
        pause = (pause * 2).min(patience.longest_pause);
    }
}

/// One try. The error is for the log.
async fn post(client: &Client, message: &Message, patience: Patience) -> Result<(), String> {
    let attempt = message.attempt.unwrap_or(patience.attempt);
    let response = timeout(attempt, call::post(client, &message.url, message.body.clone())).await;
    let response = response.unwrap_or_else(|_| Err(format!("no answer within {}", duration_text(attempt))))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("the answer was {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::stub::{Stub, answer, nobody};
    use crate::store::{self, Documents, Store};
    use std::sync::mpsc;

    const QUICK: Patience = Patience {
        attempt: Duration::from_secs(10),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
        give_up: Duration::from_secs(20),
    };

    fn message(url: &str, body: &'static str) -> Message {
        let [to, about] = ["alert", "what happened"].map(Arc::from);
        Message { url: url.into(), body: body.into(), to, about, urgent: false, attempt: None, saved: None }
    }

    #[test]
    fn a_message_is_tried_until_it_is_received() {
        let stub = Stub::start(|number| {
            Some([String::new(), answer("503 Service Unavailable", ""), answer("204 No Content", "")][number].clone())
        });
        let mut delivery = Delivery::new(QUICK);
        delivery.send(message(&stub.url(), "1"));
        assert_eq!(delivery.flush(Duration::from_secs(30)), 0);
        assert_eq!(stub.rest().iter().map(|got| &*got.body).collect::<Vec<_>>(), [b"1"; 3]);
    }

    #[test]
    fn a_message_that_nobody_takes_is_given_up() {
        let mut delivery = Delivery::new(Patience { give_up: Duration::from_millis(20), ..QUICK });
        delivery.send(message(&nobody(), "1"));
        assert_eq!(delivery.flush(Duration::from_secs(30)), 0);
    }

    #[test]
    fn what_is_routine_leaves_room_for_what_is_urgent() {
        let stub = Stub::hanging();
        let mut delivery = Delivery::new(QUICK);
        let urgent = |urgent| Message { urgent, ..message(&stub.url(), "1") };
        (0..MOST).for_each(|_| delivery.send(urgent(false)));
        assert_eq!(delivery.flush(Duration::ZERO), MOST - KEPT_FOR_URGENT);
        (0..MOST).for_each(|_| delivery.send(urgent(true)));
        assert_eq!(delivery.flush(Duration::ZERO), MOST);
    }

    /// Does not save before it is told to.
    struct Slow(mpsc::Receiver<()>);

    impl Store for Slow {
        fn load(&mut self) -> Result<Documents, store::Error> {
            Ok(Documents::new())
        }

        fn save(&mut self, _: &Documents) -> Result<(), store::Error> {
            self.0.recv().unwrap();
            Ok(())
        }
    }

    #[test]
    fn a_message_waits_for_its_state_to_be_saved() {
        let stub = Stub::always("200 OK", "");
        let (save, told) = mpsc::channel();
        let mut writer = store::Writer::start(Box::new(Slow(told))).unwrap();
        let mut delivery = Delivery::new(QUICK);
        // The second overtakes the first, which waits, and so shows that the first had its turn.
        delivery.send(Message { saved: Some(writer.save(Documents::new())), ..message(&stub.url(), "first") });
        delivery.send(message(&stub.url(), "second"));
        assert_eq!(stub.next().body, b"second");
        save.send(()).unwrap();
        assert_eq!(stub.next().body, b"first");
        assert_eq!(delivery.flush(Duration::from_secs(30)), 0);
    }
}
