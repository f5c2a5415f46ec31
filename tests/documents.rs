//! The configs that people copy are accepted by the Serin that they come with.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn accepted(text: &str, whose: &str) {
    if let Err(problems) = serin::config::check(text, Path::new(whose)) {
        panic!("{}", problems.report(false));
    }
}

#[test]
fn the_readmes_config_is_accepted() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("```yaml\n").expect("the README has a config");
    let (config, _) = rest.split_once("```").expect("the block ends");
    accepted(config, "README.md");
}

#[test]
fn the_readmes_rollout_is_the_examples_to_the_letter() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("```yaml\n    steps:").expect("the README has steps");
    let (steps, _) = rest.split_once("```").expect("the block ends");
    assert!(read("config/rollout.yaml").ends_with(&format!("    steps:{steps}")));
}

#[test]
fn the_config_maps_config_is_accepted() {
    let manifest = read("deploy/kubernetes/config.yaml");
    let (_, block) = manifest.split_once("serin.yaml: |\n").expect("the ConfigMap has the file");
    let config: String =
        block.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect();
    accepted(&config, "deploy/kubernetes/config.yaml");
}

#[test]
fn the_peers_scripts_config_is_accepted() {
    let script = read("benches/peers/proxies.py");
    let (_, rest) = script.split_once("SERIN = \"\"\"\n").expect("the script has a config");
    let (template, _) = rest.split_once("\"\"\"").expect("the text ends");
    let mut config = template.replace("{{", "{").replace("}}", "}");
    for (name, value) in [("port", "8080"), ("second_backend", "8002"), ("backend", "8001"), ("directory", "state")] {
        config = config.replace(&format!("{{{name}}}"), value);
    }
    accepted(&config, "benches/peers/proxies.py");
}

/// The names of the documents for people, the README first.
const DOCUMENTS: [&str; 4] = ["README.md", "docs/traffic.md", "docs/metrics.md", "docs/measurements.md"];

#[test]
fn every_metric_is_explained() {
    let explained = read("docs/metrics.md");
    let families = read("src/stats/export/families.rs");
    let rows: Vec<String> = families
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(" \"serin_")?;
            let (name, rest) = rest.split_once("\" ")?;
            let (kind, labels) = rest.split_once(" [")?;
            let labels = labels.trim_end_matches(']').replace('"', "`");
            Some(format!("| `serin_{name}` | {} | {labels} |", kind.to_lowercase()))
        })
        .collect();
    assert!(rows.len() > 25, "the families are read from their source: {rows:?}");
    for row in rows {
        assert!(explained.contains(&row), "docs/metrics.md has no row `{row}`");
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for document in DOCUMENTS {
        let text = read(document);
        let directory = Path::new(document).parent().expect("a file is in a directory");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { document.into() } else { directory.join(file) };
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&target);
            assert!(path.exists(), "{document}: `{link}` leads nowhere");
            if !heading.is_empty() {
                let target = target.to_str().expect("the documents' names are text");
                let headings: Vec<String> = read(target).lines().filter_map(anchor).collect();
                assert!(headings.iter().any(|known| known == heading), "{document}: no heading for `{link}`");
            }
        }
    }
}

/// The name that a heading gets as the end of a link.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}
