//! What the fuzz targets have found worth keeping, through the same functions: a regression shows without a fuzzer.

use std::fs;
use std::path::Path;

#[test]
fn the_kept_corpus_finds_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let (mut files, mut bytes) = (0, 0);
    for (name, target) in serin::fuzzing::TARGETS {
        let entries = fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("fuzz/corpus/{name}: {error}"));
        let before = files;
        for entry in entries {
            let path = entry.expect("it can be listed").path();
            let input = fs::read(&path).expect("it can be read");
            (files, bytes) = (files + 1, bytes + input.len());
            // The test's output then says at which input it was.
            println!("{}", path.display());
            target(&input);
        }
        assert!(files > before, "fuzz/corpus/{name} is empty");
    }
    assert!(files <= 300 && bytes <= 300 << 10, "{files} files and {bytes} bytes are too much to keep");
}
