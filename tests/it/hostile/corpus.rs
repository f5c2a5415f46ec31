//! Reads the corpus, whose format its README tells.

use std::fs;
use std::path::{Path, PathBuf};

/// A message with what must become of it.
#[derive(Debug)]
pub(super) struct Case {
    /// Its file, line and name, to be found by.
    pub(super) name: String,
    pub(super) verdict: String,
    /// The words behind the verdict.
    pub(super) words: Vec<String>,
    /// The lines that begin with `>`.
    pub(super) expected: Vec<String>,
    pub(super) bytes: Vec<u8>,
}

impl Case {
    /// Whether this word stands behind the verdict.
    pub(super) fn says(&self, word: &str) -> bool {
        self.words.iter().any(|said| said == word)
    }

    /// The status codes behind the verdict.
    pub(super) fn codes(&self) -> Vec<u16> {
        self.words.iter().filter(|word| word.len() == 3).filter_map(|word| word.parse().ok()).collect()
    }
}

/// All cases in a directory of the corpus, its files in the order of their names.
pub(super) fn read(directory: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hostile/corpus").join(directory);
    let entries = fs::read_dir(&directory).expect("the corpus is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files.iter().flat_map(|file| read_file(file)).collect()
}

fn read_file(file: &Path) -> Vec<Case> {
    let text = fs::read_to_string(file).expect("text");
    let stem = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
    let mut cases: Vec<Case> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let place = || format!("{stem}:{number}: {line:?}");
        if let Some(name) = line.strip_prefix("== ") {
            let name = format!("{stem}:{number}: {name}");
            cases.push(Case { name, verdict: String::new(), words: vec![], expected: vec![], bytes: vec![] });
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{}: before the first name", place()));
        if let Some(line) = line.strip_prefix('|') {
            case.bytes.extend(unescape(line));
            case.bytes.extend(b"\r\n");
        } else if let Some(piece) = line.strip_prefix('!') {
            case.bytes.extend(unescape(piece));
        } else if let Some(expected) = line.strip_prefix("> ") {
            case.expected.push(expected.to_owned());
        } else {
            assert!(case.verdict.is_empty(), "{}: a second verdict", place());
            let mut words = line.split(' ').map(str::to_owned);
            case.verdict = words.next().expect("a line that is not empty");
            case.words = words.collect();
        }
    }
    cases
}

/// What escapes stand for; `\{N*piece}` is the piece so many times.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend(rest[..at].bytes());
        let escape = &rest[at + 1..];
        let simple = |byte: u8| (vec![byte], 1);
        let (bytes, length) = match escape.as_bytes().first() {
            Some(b'r') => simple(b'\r'),
            Some(b'n') => simple(b'\n'),
            Some(b't') => simple(b'\t'),
            Some(b'0') => simple(0),
            Some(b'\\') => simple(b'\\'),
            Some(b'x') => {
                let digits = escape.get(1..3).unwrap_or_else(|| panic!("two digits behind \\x: {text}"));
                (vec![u8::from_str_radix(digits, 16).expect("hexadecimal digits")], 3)
            }
            Some(b'{') => {
                let (inside, _) = escape[1..].split_once('}').unwrap_or_else(|| panic!("no end of \\{{: {text}"));
                let (count, piece) = inside.split_once('*').expect("a number, an asterisk, a piece");
                (unescape(piece).repeat(count.parse().expect("a number")), inside.len() + 2)
            }
            _ => panic!("an escape that is none: {text}"),
        };
        out.extend(bytes);
        rest = &escape[length..];
    }
    out.extend(rest.bytes());
    out
}

#[test]
fn escapes_are_read() {
    assert_eq!(unescape(r"a\r\n\t\0\x41\\b"), b"a\r\n\t\0A\\b");
    assert_eq!(unescape(r"\{3*a\r}b"), b"a\ra\ra\rb");
}
