//! The log: for people on a terminal, JSON for everything that collects.

use std::io::IsTerminal;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};
use tracing_subscriber::layer::SubscriberExt;

/// The variable that says what is logged: a level, or levels of targets, as in `RUST_LOG`. There are no spans to filter by,
/// and so not the rest of that language, which would bring a compiler of regular expressions.
pub const VARIABLE: &str = "SERIN_LOG";

/// Discovery reports what the resolver runs into, once and in our words.
const DEFAULT: &str = "info,hickory_resolver=off,hickory_net=off";

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The variable says nothing that is understood.
    #[error("{VARIABLE}={text} is no log filter: {source}; write `info`, `debug`, or `info,serin::rollout=trace`")]
    Filter {
        /// What it says.
        text: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// It has been set up before.
    #[error("the log is set up already: {0}")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Logs to standard error from here on, all threads: what [`VARIABLE`] says, `info` without it.
///
/// # Errors
/// When the variable is no filter, or the log is set up already.
pub fn init() -> Result<(), LogsError> {
    let text = std::env::var(VARIABLE).ok().filter(|text| parts(text).next().is_some());
    let filter = filter(text.as_deref().unwrap_or(DEFAULT))?;
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let set = if std::io::stderr().is_terminal() {
        tracing::subscriber::set_global_default(human(filter, colour, std::io::stderr))
    } else {
        tracing::subscriber::set_global_default(json(filter, std::io::stderr))
    };
    set.map_err(LogsError::Twice)
}

fn filter(text: &str) -> Result<Targets, LogsError> {
    let parts: Vec<_> = parts(text).collect();
    parts.join(",").parse().map_err(|source| LogsError::Filter { text: text.to_owned(), source })
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn human(filter: Targets, colour: bool, to: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) -> impl Subscriber {
    unfiltered().with_ansi(colour).with_target(false).with_writer(to).finish().with(filter)
}

fn json(filter: Targets, to: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) -> impl Subscriber {
    unfiltered().json().flatten_event(true).with_writer(to).finish().with(filter)
}

/// Its own limit would be a second filter.
fn unfiltered() -> SubscriberBuilder {
    tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `log` logs to what `subscriber` makes.
    fn written<S: Subscriber + Send + Sync + 'static>(
        subscriber: impl FnOnce(Page) -> S,
        log: impl FnOnce(),
    ) -> String {
        let page = Page::default();
        tracing::subscriber::with_default(subscriber(page.clone()), log);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn log() {
        tracing::info!(rollout = "data-tier", "taken out");
        tracing::debug!("hidden");
    }

    #[test]
    fn a_collector_gets_an_object_a_line() {
        let text = written(|page| json(filter("info").unwrap(), move || page.clone()), log);
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"taken out".into()));
        assert_eq!(line["rollout"], "data-tier");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn a_person_gets_a_plain_line_and_colours_only_where_wanted() {
        let text = written(|page| human(filter("info").unwrap(), false, move || page.clone()), log);
        assert!(text.contains("INFO") && text.contains("taken out") && text.contains("data-tier"), "{text}");
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_filter_that_is_none_is_an_error_that_names_the_variable() {
        let error = filter("info,=,").err().or_else(|| filter("serin=loud").err()).unwrap().to_string();
        assert!(error.contains(VARIABLE), "{error}");
        assert!(filter(DEFAULT).is_ok());
    }

    #[test]
    fn a_target_has_a_level_of_its_own_and_empty_parts_say_nothing() {
        let lines = |text: &str| {
            let filter = filter(text).unwrap();
            written(|page| json(filter, move || page.clone()), log).lines().count()
        };
        assert_eq!([lines("info"), lines("info, serin::logs=debug,"), lines("serin::logs=off,info")], [1, 2, 0]);
    }
}
