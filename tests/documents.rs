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
