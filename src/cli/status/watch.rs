//! `serin status --watch`: the same again, whenever it is another.

use super::{Output, Seen, StatusArgs, figures, look};
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::screen::{Drawing, Screen, Size};
use crate::rollout::{Clock, Timestamp};
use std::time::Duration;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(500);

/// Looks on until it is interrupted, or nobody reads along.
pub(super) fn run(args: &StatusArgs, client: &Client, screen: &mut Screen<'_>) -> Result<u8, Failure> {
    let clock = Clock::start();
    // Whoever cannot be reached at the beginning is not being restarted but misspelt.
    let mut seen = look(args, client)?;
    let mut missing = None;
    let mut shown = Shown { drawing: Drawing::default(), told: None };
    loop {
        match (screen.size)() {
            Some(size) if args.output != Some(Output::Json) => {
                shown.draw(args, &seen, missing.as_deref(), size, screen, clock.now().wall)?;
            }
            _ => shown.append(args, &seen, screen, clock.now().wall)?,
        }
        std::thread::sleep(LOOK);
        match look(args, client) {
            Ok(newer) => (seen, missing) = (newer, None),
            Err(error) if error.may_pass() => {
                if missing.is_none() && (screen.size)().is_none() {
                    writeln!(screen.err, "{error}; still trying")?;
                }
                missing = Some(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What whoever reads along has been shown.
struct Shown {
    drawing: Drawing,
    told: Option<Seen>,
}

impl Shown {
    fn draw(
        &mut self,
        args: &StatusArgs,
        seen: &Seen,
        missing: Option<&str>,
        size: Size,
        screen: &mut Screen<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut text = seen.text(args, screen.colour, now);
        if let Some(missing) = missing {
            text = format!("still trying: {missing}\n{text}");
        }
        Ok(self.drawing.draw(screen.out, &text, Some(size))?)
    }

    /// A line for each rollout that is not what it was; in JSON, the whole answer.
    fn append(
        &mut self,
        args: &StatusArgs,
        seen: &Seen,
        screen: &mut Screen<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let before = self.told.iter().flat_map(|told| &told.rollouts);
        let news = seen.rollouts.iter().filter(|rollout| {
            !before.clone().any(|old| old.name == rollout.name && figures::news(old) == figures::news(rollout))
        });
        let news: Vec<_> = news.collect();
        if news.is_empty() {
            return Ok(());
        }
        if args.output == Some(Output::Json) {
            writeln!(screen.out, "{}", seen.answer)?;
        } else {
            for rollout in news {
                writeln!(screen.out, "{now}  {}", figures::line(rollout))?;
            }
        }
        screen.out.flush()?;
        self.told = Some(Seen { answer: String::new(), rollouts: seen.rollouts.clone() });
        Ok(())
    }
}
