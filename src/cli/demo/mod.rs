//! `serin demo`: the whole product in one process, on two services of its own.
//!
//! Nothing here is pretended. A stable and a canary service answer over loopback TCP, clients load them through the
//! real proxy, and the real judge decides; the demo writes an ordinary config file, starts Serin on it as `serin run`
//! does, and from then on only looks at what an operator could see: the admin API, and its own services and clients.
//! After a third of the time the canary begins to fail, and the ending is told from what was counted.

mod args;
mod clock;
mod load;
mod operator;
mod outcome;
mod service;
mod settings;
#[cfg(test)]
mod stand_in;
mod table;

pub use args::DemoArgs;
pub use outcome::Outcome;

use super::screen::Drawing;
use crate::rollout::Phase;
use clock::Clock;
use load::{Load, Rates};
use operator::Operator;
use outcome::Seen;
use service::Service;
use settings::Settings;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use table::{Canary, Frame};

/// How often the demo asks the admin API, and draws.
const LOOK: Duration = Duration::from_millis(200);

/// A running Serin, as the demo needs it. Dropping it may cut connections; [`Front::stop`] does not.
pub trait Front {
    /// Where clients connect.
    fn address(&self) -> SocketAddr;
    /// Where the admin API answers.
    fn admin_address(&self) -> SocketAddr;
    /// Drains and waits until it is gone.
    fn stop(self);
}

/// Why a demo could not be given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No directory for the config that the demo writes.
    #[error("cannot write the demo's config below {}: set TMPDIR to a directory that is writable", .directory.display())]
    Settings {
        /// Where it was tried.
        directory: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A thread, a socket or a runtime of the demo's own was refused.
    #[error("cannot start the demo's {what}")]
    Start {
        /// The part that did not start.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Serin did not start on the demo's config.
    #[error("Serin did not start on the demo's config {}; if a port is taken, choose another with --port or --admin-port", .config.display())]
    Front {
        /// The config that it was given.
        config: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Standard output is gone.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

/// Gives the demo, and says how it ended. `start` brings up Serin on a config file and returns when it is ready.
///
/// `terminal` says that `out` can be drawn on; without it there is a line a second. The last line is always the
/// outcome. Ctrl-C ends it early, with what was seen until then.
///
/// # Errors
/// When something could not be started, or `out` was closed.
pub fn run<F: Front>(
    args: &DemoArgs,
    out: &mut dyn Write,
    terminal: bool,
    start: impl FnOnce(&Path) -> Result<F, Box<dyn std::error::Error + Send + Sync>>,
) -> Result<Outcome, Error> {
    let clock = Clock::start();
    let stable = Service::start(settings::STABLE_VERSION, clock)?;
    let canary = Service::start(settings::CANARY_VERSION, clock)?;
    let settings = Settings::write(args, stable.address(), canary.address())?;
    let front = start(settings.file()).map_err(|source| Error::Front { config: settings.file().into(), source })?;
    let load = Load::start(front.address())?;

    let mut audience = Audience { out, terminal, drawing: Drawing::default(), lines_told: 0 };
    let looked = look_on(args, &front, &canary, &load, &mut audience);
    let seen = load.stop();
    front.stop();
    let story = looked?;

    let outcome = Outcome::of(&Seen {
        canary_version: settings::CANARY_VERSION,
        is_to_fail: args.fail_rate > 0.0,
        taken_out: story.taken_out,
        canary: canary.tally(),
        clients: seen,
    });
    writeln!(audience.out)?;
    if let Some(decision) = story.decision {
        writeln!(audience.out, "The judge: {decision}")?;
    }
    writeln!(audience.out, "The config that it ran with: {}", settings.file().display())?;
    writeln!(audience.out, "{outcome}")?;
    Ok(outcome)
}

/// What happened while the demo looked on.
struct Story {
    taken_out: bool,
    /// The judge's own words, once it has decided.
    decision: Option<String>,
}

fn look_on(
    args: &DemoArgs,
    front: &impl Front,
    canary: &Service,
    load: &Load,
    audience: &mut Audience<'_>,
) -> Result<Story, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Start { what: "timer", source })?;
    runtime.block_on(async {
        let mut story = Story { taken_out: false, decision: None };
        let mut told_to_fail = false;
        let operator = Operator::new(front.admin_address());
        let begun = Clock::start();
        let mut rates = Rates::default();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = &mut interrupted => return Ok(story),
            }
            let elapsed = begun.elapsed();
            if elapsed >= args.fails_after() && !told_to_fail {
                canary.fail(args.fail_rate);
                told_to_fail = true;
            }
            let rollout = operator.rollout().await;
            if let Some(rollout) = &rollout {
                story.taken_out |= rollout.phase == Phase::RolledBack && rollout.canary.weight == 0.0;
                story.decision = rollout.last_decision.as_ref().map(ToString::to_string);
            }
            audience.show(&Frame {
                front: front.address(),
                admin: front.admin_address(),
                elapsed,
                total: args.duration,
                canary: match (args.fail_rate > 0.0, told_to_fail) {
                    (false, _) => Canary::StaysHealthy,
                    (true, false) => Canary::WillFail { at: args.fails_after() },
                    (true, true) => Canary::Fails { share: args.fail_rate, since: args.fails_after() },
                },
                rollout: rollout.as_ref(),
                rates: rates.update(elapsed, load.seen()),
            })?;
            if elapsed >= args.duration {
                return Ok(story);
            }
        }
    })
}

/// Who reads along: a terminal that is drawn on, or a log that gets a line a second.
struct Audience<'a> {
    out: &'a mut dyn Write,
    terminal: bool,
    drawing: Drawing,
    lines_told: u64,
}

impl Audience<'_> {
    fn show(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        if self.terminal {
            return self.drawing.draw(self.out, &table::table(frame), None);
        }
        if frame.elapsed.as_secs() >= self.lines_told {
            self.lines_told = frame.elapsed.as_secs() + 1;
            writeln!(self.out, "{}", table::line(frame))?;
        }
        self.out.flush()
    }
}
