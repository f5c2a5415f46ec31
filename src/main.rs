//! argv -> verb -> exit code. The only place that prints.

use clap::Parser;
use serin::app::{App, Options, StartError};
use serin::cli::args::{Args, Verb};
use serin::cli::demo::Front;
use serin::cli::{Outcome, demo, retry, run};
use serin::{logs, machine};
use std::io::{IsTerminal, Write, stderr, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Args { verb } = Args::parse();
    if verb.keeps_log()
        && let Err(error) = logs::init()
    {
        return fail(&error.to_string(), 2);
    }
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if let Some(Outcome { code, stdout, stderr }) = verb.brief(colour) {
        // A reader that has seen enough and closes its pipe is no failure of ours.
        let _ = std::io::stdout().write_all(stdout.as_bytes());
        let _ = std::io::stderr().write_all(stderr.as_bytes());
        return ExitCode::from(code);
    }
    match verb {
        Verb::Run(args) => match run::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(run::RunError::Start(StartError::Config(error))) => {
                let _ = stderr().write_all(error.report(colour).as_bytes());
                ExitCode::from(2)
            }
            Err(run::RunError::Start(error @ StartError::Tls(_))) => fail(&error.to_string(), 2),
            Err(error @ run::RunError::AtOnce) => {
                eprintln!("{error}");
                // Without waiting for the threads that still work.
                std::process::exit(1);
            }
            Err(error) => fail(&error.to_string(), 1),
        },
        Verb::Demo(args) => show(&args),
        Verb::Retry(args) => match retry::run(&args) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error.to_string(), error.exit_code()),
        },
        Verb::Check { .. } | Verb::Schema => ExitCode::SUCCESS,
    }
}

/// An error, the way the other tools of an operator write it.
fn fail(error: &str, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

fn show(args: &demo::DemoArgs) -> ExitCode {
    let start = |config: &std::path::Path| {
        let app = App::start(Options { config: config.to_owned(), workers: machine::cpus() })?;
        let address = app.listener_address("web").ok_or("the demo's config has a listener named web")?;
        Ok(Fronted { address, app })
    };
    match demo::run(args, &mut stdout(), stdout().is_terminal(), start) {
        Ok(outcome) => {
            if outcome.is_as_promised() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            fail(&text, 1)
        }
    }
}

struct Fronted {
    address: SocketAddr,
    app: App,
}

impl Front for Fronted {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn admin_address(&self) -> SocketAddr {
        self.app.admin_address()
    }

    fn stop(self) {
        self.app.handle().drain();
        self.app.join();
    }
}
