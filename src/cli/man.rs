//! `serin man`: the manual, made of the same words as the help.

use super::Failure;
use super::args::Args;
use clap::CommandFactory;
use clap_mangen::Man;
use std::path::{Path, PathBuf};

/// The manual's first page.
///
/// # Errors
/// When it cannot be written.
pub fn page() -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(Args::command().disable_help_subcommand(true)).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Every page, into `directory`: one on Serin and one on each verb.
///
/// # Errors
/// When `directory` cannot be made or written to.
pub fn pages(directory: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: PathBuf::from(directory), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Args::command(), directory).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_on_serin_and_one_on_each_verb() {
        let directory = tempfile::tempdir().unwrap();
        let within = directory.path().join("share/man1");
        pages(&within).unwrap();
        let read = |name: &str| std::fs::read_to_string(within.join(name)).unwrap();
        for verb in Args::command().get_subcommands() {
            let page = read(&format!("serin-{}.1", verb.get_name()));
            assert!(page.contains(".SH DESCRIPTION") && page.contains("Example"), "{}", verb.get_name());
        }
        assert!(read("serin.1").contains("Exit codes") && page().unwrap().contains("set"));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = pages(&file.path().join("man")).unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.to_string().contains("/man") && failure.to_string().contains("writable"), "{failure}");
    }
}
