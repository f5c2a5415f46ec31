//! Tells people, on a thread of its own, so that a receiver that hangs, or TLS, never delays a judgement.
//!
//! An alert is a JSON `POST`. Any answer of the 2xx class is taken for received; anything else, silence included, is
//! tried again with growing pauses, and given up with an error in the log after [`Patience::give_up`]. The state is
//! saved first, so that whoever is alerted and restarts Serin finds the decision; but not for long, because a disk
//! that hangs is no reason to keep quiet.

use super::https::{self, Client};
use super::record::Decision;
use crate::store::Saved;
use bytes::Bytes;
use http_body_util::Full;
use serde::Serialize;
use std::error::Error as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

/// Alerts under way at once; more are dropped with an error in the log.
const MOST: usize = 256;

/// How long an alert waits for its state to be saved.
const WAIT_FOR_SAVE: Duration = Duration::from_secs(2);

/// How long an alert is tried.
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

/// Sends alerts. The thread starts with the first one.
#[derive(Debug, Default)]
pub(super) struct Alerter {
    patience: Patience,
    jobs: Option<UnboundedSender<Job>>,
    under_way: Arc<UnderWay>,
}

/// What a webhook receives.
#[derive(Debug, Serialize)]
struct Body<'a> {
    /// What happened: `rolled-back`.
    event: &'static str,
    /// One sentence for people.
    message: String,
    decision: &'a Decision,
}

#[derive(Debug)]
struct Job {
    url: Arc<str>,
    body: Bytes,
    saved: Option<Saved>,
    /// Dropped when the job is done, one way or the other.
    _counted: Counted,
}

#[derive(Debug, Default)]
struct UnderWay {
    alerts: Mutex<usize>,
    fewer: Condvar,
}

/// One alert in [`UnderWay`].
#[derive(Debug)]
struct Counted(Arc<UnderWay>);

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.alerts.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

impl Alerter {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Hands `decision` over for `url`; it goes out once `saved` has ended.
    pub(super) fn send(&mut self, url: &Arc<str>, decision: &Decision, saved: Option<Saved>) {
        let body = Body { event: "rolled-back", message: decision.to_string(), decision };
        let body = serde_json::to_vec(&body).expect("a decision is strings and numbers").into();
        let Some(counted) = self.count() else {
            tracing::error!(url = host(url), alert = %decision, "too many alerts under way: this one is not sent");
            return;
        };
        let job = Job { url: Arc::clone(url), body, saved, _counted: counted };
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => match start(self.patience) {
                Ok(jobs) => self.jobs.insert(jobs),
                Err(error) => {
                    tracing::error!(%error, alert = %decision, "no thread to send alerts: this one is not sent");
                    return;
                }
            },
        };
        if jobs.send(job).is_err() {
            tracing::error!(alert = %decision, "the thread that sends alerts is gone: this one is not sent");
            self.jobs = None;
        }
    }

    /// Waits until no alert is under way, for `timeout` at most; says how many still are.
    pub(super) fn flush(&self, timeout: Duration) -> usize {
        let alerts = self.under_way.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.under_way.fewer.wait_timeout_while(alerts, timeout, |alerts| *alerts > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn count(&self) -> Option<Counted> {
        let mut alerts = self.under_way.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        (*alerts < MOST).then(|| {
            *alerts += 1;
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

/// The thread: a task an alert.
async fn run(mut jobs: UnboundedReceiver<Job>, patience: Patience) {
    let client = https::client();
    while let Some(job) = jobs.recv().await {
        tokio::spawn(deliver(client.clone(), job, patience));
    }
}

async fn deliver(client: Client, mut job: Job, patience: Patience) {
    if let Some(saved) = job.saved.take()
        && timeout(WAIT_FOR_SAVE, saved.wait()).await.is_err()
    {
        tracing::warn!("the state is not saved yet; the alert goes out before it is");
    }
    let (began, mut pause) = (Instant::now(), patience.first_pause);
    for attempt in 1_u32.. {
        let outcome = timeout(patience.attempt, post(&client, &job)).await;
        let failure = match outcome.unwrap_or_else(|_| Err(format!("no answer within {:?}", patience.attempt))) {
            Ok(()) => {
                tracing::info!(url = host(&job.url), attempt, "alert sent");
                return;
            }
            Err(failure) => failure,
        };
        if began.elapsed() + pause > patience.give_up {
            let alert = String::from_utf8_lossy(&job.body);
            tracing::error!(url = host(&job.url), attempt, failure, %alert, "alert given up");
            return;
        }
        tracing::warn!(url = host(&job.url), attempt, failure, "alert not received, trying again");
        sleep(pause).await;
        pause = (pause * 2).min(patience.longest_pause);
    }
}

/// One try. The error is for the log.
async fn post(client: &Client, job: &Job) -> Result<(), String> {
    let request = http::Request::post(&*job.url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::USER_AGENT, concat!("serin/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(job.body.clone()))
        .map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("the answer was {status}")) }
}

/// What of an address may be logged: paths and queries of webhooks are secrets.
fn host(url: &str) -> String {
    url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rollout::{Grounds, Kind, Timestamp};
    use crate::store::{self, Documents, Store};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;

    const QUICK: Patience = Patience {
        attempt: Duration::from_secs(10),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
        give_up: Duration::from_secs(20),
    };

    fn decision() -> Decision {
        Decision {
            rollout: "data-tier".into(),
            revision: "1.5.0".into(),
            at: Timestamp::from_duration(Duration::ZERO),
            event: Kind::RolledBack,
            step: None,
            weight: 10.0,
            requests: 16,
            failed: 8,
            grounds: Grounds::StateUnreadable,
            limits: Vec::new(),
        }
    }

    /// The JSON body of the request that comes over `stream`.
    pub(in crate::rollout) fn read_body(stream: &TcpStream) -> serde_json::Value {
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// A receiver that hangs up on the first, refuses the second, and takes the third.
    fn receiver() -> (Arc<str>, mpsc::Receiver<serde_json::Value>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?token=secret", listener.local_addr().unwrap());
        let (bodies, received) = mpsc::channel();
        std::thread::spawn(move || {
            for answer in [None, Some("503 Service Unavailable"), Some("204 No Content")] {
                let (mut stream, _) = listener.accept().unwrap();
                let body = read_body(&stream);
                if let Some(answer) = answer {
                    write!(stream, "HTTP/1.1 {answer}\r\nconnection: close\r\n\r\n").unwrap();
                }
                bodies.send(body).unwrap();
            }
        });
        (url.into(), received)
    }

    #[test]
    fn an_alert_is_tried_until_it_is_received() {
        let (url, received) = receiver();
        let mut alerter = Alerter::new(QUICK);
        alerter.send(&url, &decision(), None);
        assert_eq!(alerter.flush(Duration::from_secs(30)), 0);
        let bodies: Vec<_> = received.iter().collect();
        assert_eq!(bodies.len(), 3);
        assert_eq!(bodies[2]["event"], "rolled-back");
        assert_eq!(bodies[2]["decision"]["revision"], "1.5.0");
        assert!(bodies[2]["message"].as_str().unwrap().contains("data-tier"));
    }

    #[test]
    fn an_alert_that_nobody_takes_is_given_up() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut alerter = Alerter::new(Patience { give_up: Duration::from_millis(20), ..QUICK });
        alerter.send(&format!("http://{closed}/").into(), &decision(), None);
        assert_eq!(alerter.flush(Duration::from_secs(30)), 0);
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
    fn an_alert_waits_for_its_state_to_be_saved() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).into();
        let receive = || {
            let (mut stream, _) = listener.accept().unwrap();
            let body = read_body(&stream);
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").unwrap();
            body["decision"]["revision"].as_str().unwrap().to_owned()
        };
        let (save, told) = mpsc::channel();
        let mut writer = store::Writer::start(Box::new(Slow(told))).unwrap();
        let mut alerter = Alerter::new(QUICK);
        // The second overtakes the first, which waits, and so shows that the first had its turn.
        alerter.send(&url, &decision(), Some(writer.save(Documents::new())));
        alerter.send(&url, &Decision { revision: "second".into(), ..decision() }, None);
        assert_eq!(receive(), "second");
        save.send(()).unwrap();
        assert_eq!(receive(), "1.5.0");
        assert_eq!(alerter.flush(Duration::from_secs(30)), 0);
    }

    #[test]
    fn what_of_an_address_may_be_a_secret_is_not_logged() {
        assert_eq!(host("https://user:pass@hooks.example.com/services/T0/B0?x=y"), "hooks.example.com");
    }
}
