//! `serin completions`: what a shell needs to complete the command line.

use super::Outcome;
use super::args::Args;
use clap::CommandFactory;
use clap_complete::Shell;

/// The script for `shell`, on the standard output.
pub fn run(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "serin", &mut script);
    Outcome { code: 0, stdout: String::from_utf8_lossy(&script).into_owned(), stderr: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_completed_in_every_shell() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = run(shell).stdout;
            for verb in Args::command().get_subcommands() {
                assert!(script.contains(verb.get_name()), "{shell}: {}", verb.get_name());
            }
            assert!(script.contains("rolled-back") && script.contains("token-file"), "{shell}");
        }
    }
}
