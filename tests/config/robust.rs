//! Whatever is done to a file, the answer is a plan or a report, never a panic.

use super::{GOOD, STEPPED, check_text, with};
use proptest::prelude::*;

const MORE: &str = "admin: { address: \"127.0.0.1:1\", tokenFile: t }\nlimits: { headerBytes: 1KiB, headerCount: 1 }\n\
    timeouts: { idle: off, connect: 1s }\ndrain: { grace: 1s }\nstore: { file: x }\ndns: { nameservers: [\"::1\"] }\n";

/// Reads `text` and, if it is refused, writes every kind of report.
fn survives(text: &str) {
    if let Err(problems) = check_text(text) {
        assert_eq!(problems.lines().len(), problems.count());
        assert!(problems.report(false).contains("the file is refused whole"));
    }
}

/// The words of a text with what is between them, so that an edit keeps most of the file in shape.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut in_word = false;
    for c in text.chars() {
        let word = c.is_ascii_alphanumeric() || "-./%".contains(c);
        if word != in_word {
            words.push(String::new());
            in_word = word;
        }
        words.last_mut().expect("never empty").push(c);
    }
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn words_swapped_repeated_and_left_out(steps: bool, edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..4), 1..4)) {
        let mut words = words(&if steps { STEPPED.to_owned() } else { with(MORE) });
        for (at, from, kind) in edits {
            let (at, from) = (at.index(words.len()), from.index(words.len()));
            match kind {
                0 => words[at].clear(),
                1 => words.swap(at, from),
                2 => words[at] = words[from].clone(),
                _ => words[at] = ["~", "[]", "{}", "ü: é", "*x", "&x 1"][from % 6].into(),
            }
        }
        survives(&words.concat());
    }

    #[test]
    fn lines_left_out_and_repeated(steps: bool, keep in proptest::collection::vec(prop_oneof![8 => Just(1_usize), 1 => Just(0), 1 => Just(2)], 40)) {
        let text = if steps { STEPPED.to_owned() } else { with(MORE) };
        let lines = text.lines().zip(keep).flat_map(|(line, times)| std::iter::repeat_n(line, times));
        survives(&lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_file_cut_off_anywhere(at in 0..GOOD.len()) {
        survives(&GOOD[..at]);
        survives(STEPPED.get(..at).unwrap_or_default());
    }

    #[test]
    fn anything_at_all(text in "\\PC{0,40}", yaml in "[a-z:{}\\[\\], \\n&*!|>\"'#-]{0,80}") {
        survives(&text);
        survives(&yaml);
        survives(&with(&yaml));
    }
}
