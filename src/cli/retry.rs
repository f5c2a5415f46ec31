//! `serin retry`: gives a revision that was taken out another chance.

use super::client::{AdminArgs, Client, ClientError, segment};
use clap::Args;

/// Give a revision that was taken out another chance.
///
/// A rollback keeps the canary's revision out until the config names another one. When the revision was not to blame,
/// this lets it in again, from the beginning and with no evidence against it.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  serin retry data-tier
  serin retry data-tier --admin http://10.0.0.7:9900 --token-file /run/secrets/serin-token")]
pub struct RetryArgs {
    /// The rollout's name.
    #[arg(value_name = "ROLLOUT")]
    pub name: String,
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Asks the running Serin; what to tell the operator.
///
/// # Errors
/// When the arguments are of no use, nobody answers, or the answer is no.
pub fn run(args: &RetryArgs) -> Result<String, ClientError> {
    let status = Client::new(&args.admin)?.post(&format!("/api/v1/rollouts/{}/retry", segment(&args.name)))?;
    let phase = status.get("phase").and_then(|phase| phase.as_str()).unwrap_or("under way");
    Ok(format!("rollout {}: its revision is tried again ({phase})", args.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches, Parser};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[derive(Parser)]
    struct Serin {
        #[command(flatten)]
        retry: RetryArgs,
    }

    fn args(admin: &str) -> RetryArgs {
        let matches = Serin::command().get_matches_from(["serin", "data tier", "--admin", admin]);
        Serin::from_arg_matches(&matches).unwrap().retry
    }

    /// Answers one request with `answer`; what was asked.
    fn served(answer: &'static str, ask: impl FnOnce(&str)) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::scope(|scope| {
            let server = scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8(request).unwrap()
            });
            ask(&address);
            server.join().unwrap()
        })
    }

    #[test]
    fn a_yes_is_told_with_the_phase() {
        let asked = served("HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{\"phase\":\"Progressing\"}", |address| {
            let told = run(&args(address)).unwrap();
            assert_eq!(told, "rollout data tier: its revision is tried again (Progressing)");
        });
        assert!(asked.starts_with("POST /api/v1/rollouts/data%20tier/retry HTTP/1.1\r\n"), "{asked}");
    }

    #[test]
    fn a_no_is_told_with_its_reason() {
        served("HTTP/1.1 409 Conflict\r\nContent-Length: 28\r\n\r\n{\"error\":\"it is going well\"}", |address| {
            let error = run(&args(address)).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            assert!(error.to_string().contains("it is going well"), "{error}");
        });
    }

    #[test]
    fn the_help_has_an_example() {
        let help = RetryArgs::augment_for_test().render_long_help().to_string();
        assert!(help.contains("serin retry data-tier") && help.contains("SERIN_ADMIN"), "{help}");
    }

    impl RetryArgs {
        fn augment_for_test() -> clap::Command {
            Self::augment_args(clap::Command::new("retry"))
        }
    }
}
