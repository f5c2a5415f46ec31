//! The shape of the source: arrows point down, and no file grows past what can be read in one go.

use std::fs;
use std::path::{Path, PathBuf};

const CEILING: usize = 400;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file under `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the source is there").map(|e| e.expect("it can be listed").path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut all: Vec<_> = files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "rs")).collect();
    all.extend(directories.iter().flat_map(|d| self::files(d)));
    all.sort();
    all
}

/// The rooms, top to bottom, as `lib.rs` lists them.
fn rooms() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).expect("lib.rs is there");
    let modules = lib.lines().filter_map(|l| l.trim().strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned));
    modules.collect()
}

/// The room of a file: its first directory, or its name right under `src`.
fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix(source()).expect("it is under src");
    let first = inside.components().next().expect("it has a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a text names by `crate::`, with the line; groups such as `crate::{a, b::c}` included.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].matches('\n').count() + 1;
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        if text[start..at].trim_start().starts_with("//") || text[..at].ends_with('$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let name = |t: &str| t.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => found.push((line, name(rest))),
            Some(group) => {
                let (mut depth, mut item) = (0, String::new());
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => found.push((line, name(std::mem::take(&mut item).trim()))),
                        c if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                found.push((line, name(item.trim())));
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

#[test]
fn imports_point_down_only() {
    let rooms = rooms();
    let place = |room: &str| rooms.iter().position(|r| r == room);
    assert!(place("cli") < place("stats") && rooms.len() > 8, "{rooms:?}");
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let room = room_of(&file);
        if room == "lib" || room == "main" {
            continue;
        }
        let mine = place(&room).unwrap_or_else(|| panic!("lib.rs does not list {room}"));
        let text = fs::read_to_string(&file).expect("it can be read");
        for (line, other) in named(&text) {
            match place(&other) {
                Some(theirs) if theirs >= mine => {}
                Some(_) => wrong.push(format!("{}:{line}: {room} looks up at {other}", file.display())),
                None => wrong.push(format!("{}:{line}: {other} is no room", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_can_be_read_in_one_go() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let long = files(&source()).into_iter().chain(files(&tests)).filter_map(|file| {
        let lines = fs::read_to_string(&file).expect("it can be read").lines().count();
        let excused = LONGER.iter().any(|(name, _)| file.ends_with(name));
        (lines > CEILING && !excused).then(|| format!("{}: {lines} lines", file.display()))
    });
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "over {CEILING}:\n{}", long.join("\n"));
}

#[test]
fn every_module_opens_with_prose_on_why_it_is_there() {
    let silent: Vec<_> = files(&source())
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("it can be read").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let text = "use crate::plan::{A, B};\nuse crate::{stats, http::{a, b}, config};\n// crate::cli\n/// [`crate::app`]\nfn f(x: crate::store::S) {}\npub(crate) fn g() {}\n";
    let found: Vec<_> = named(text).into_iter().map(|(l, n)| format!("{l} {n}")).collect();
    assert_eq!(found, ["1 plan", "2 stats", "2 http", "2 config", "5 store"]);
}
