//! argv -> verb -> exit code. The only place that prints.

use clap::Parser;
use serin::app::{App, Options, StartError};
use serin::cli::args::{Args, Tool, Verb};
use serin::cli::demo::Front;
use serin::cli::{Screen, Size, demo, run};
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
    match verb {
        Verb::Run(args) => match run::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(run::RunError::Start(StartError::Config(error))) => {
                let _ = stderr().write_all(error.report(is_coloured(&stderr())).as_bytes());
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
        Verb::Tool(tool) => use_tool(&tool),
    }
}

fn use_tool(tool: &Tool) -> ExitCode {
    let (mut out, mut err) = (stdout(), stderr());
    let (colour, err_colour) = (is_coloured(&out), is_coloured(&err));
    let mut screen = Screen { out: &mut out, err: &mut err, colour, err_colour, size: Size::of_stdout };
    match tool.run(&mut screen) {
        Ok(code) => ExitCode::from(code),
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => fail(&failure.to_string(), failure.exit_code()),
    }
}

/// Whether a stream is a terminal that may be coloured (<https://no-color.org>).
fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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
