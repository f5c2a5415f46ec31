//! `GET /api/v1/events`: what happened, as a list or as a stream of server-sent events.
//!
//! A stream keeps a place in the log and one event at a time, and is asked for the next one only when the one before has
//! been taken. It ends, in form, when its connection has lived its longest: followers come back with `Last-Event-ID`.

use super::events::{Event, EventLog, Events, Next};
use super::no::No;
use super::query::Parameters;
use super::routes::{Desk, Peer};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How many events there are in an answer, if the request does not say.
const LIMIT: usize = 100;
/// How often a stream shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a browser comes back to a stream that ended.
const COME_BACK: Duration = Duration::from_secs(1);

pub(super) async fn events(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    request: Parts,
) -> Result<Response, No> {
    let known = ["rollout", "limit", "since", "follow"];
    let parameters = Parameters::of(&request.uri, "/api/v1/events", &known)?;
    let rollout = parameters.text("rollout").map(ToOwned::to_owned);
    let most = EventLog::MOST;
    let count = |text: &str| text.parse().ok().filter(|count| *count <= most);
    let limit = parameters.read("limit", &format!("a number from 0 to {most}"), count)?.unwrap_or(LIMIT);
    let since = parameters.read("since", "the id of an event", |text| text.parse().ok())?;
    let events = desk.sources.events.clone();
    let view = desk.view();
    if let Some(name) = &rollout
        && !view.rollouts.iter().any(|known| *known.name == **name)
        && !events.know(name)
    {
        return Err(No::unknown_rollout(name, &view));
    }
    if parameters.flag("follow")? || wants_stream(&request.headers) {
        let place = last_event_id(&request.headers)?.or(since);
        let place = place.unwrap_or_else(|| events.place_before(rollout.as_deref(), limit));
        return Ok(follow(Follower { events, rollout, place, until: peer.until }));
    }
    Ok(Json(json!({ "events": events.list(rollout.as_deref(), since, limit) })).into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let (kind, _) = kind.split_once(';').unwrap_or((kind, ""));
        kind.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// Where a follower was when it lost its stream.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, No> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let number = id.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| No::bad("`Last-Event-ID` is not the id of an event: a number"))
}

/// A stream on its way.
struct Follower {
    events: Events,
    rollout: Option<String>,
    /// The id of the last event that was sent.
    place: u64,
    /// When its connection ends.
    until: Instant,
}

fn follow(follower: Follower) -> Response {
    // Sent at once: whoever follows learns that it does before anything happens.
    let first = sse::Event::default().retry(COME_BACK);
    let state = (Some(first), follower);
    let stream = stream::unfold(state, |(first, mut follower)| async move {
        let next = match first {
            Some(first) => first,
            None => follower.next().await?,
        };
        Some((Ok::<_, Infallible>(next), (None, follower)))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

impl Follower {
    /// `None` when it is over.
    async fn next(&mut self) -> Option<sse::Event> {
        let next = self.events.next(self.rollout.as_deref(), self.place);
        match tokio::time::timeout_at(self.until, next).await.ok()?? {
            Next::Event(event) => {
                self.place = event.id;
                Some(shown(&event))
            }
            Next::Missed(id) => {
                let missed = json!({ "after": self.place, "until": id }).to_string();
                self.place = id;
                Some(sse::Event::default().event("lagged").id(id.to_string()).data(missed))
            }
        }
    }
}

fn shown(event: &Event) -> sse::Event {
    let json = serde_json::to_string(event).expect("an event is strings and numbers");
    sse::Event::default().id(event.id.to_string()).event(event.decision.event.name()).data(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_when_its_connection_has_lived_its_longest() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let log = EventLog::new(Vec::new());
            let until = Instant::now() + Duration::from_millis(20);
            let mut follower = Follower { events: log.reader(), rollout: None, place: 0, until };
            assert!(follower.next().await.is_none());
            assert!(Instant::now() >= until);
        });
    }
}
