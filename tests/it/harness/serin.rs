//! The proxy under test: its config on disk, its process, its admin address.

use super::client::{Client, Response};
use super::process::{Exit, Process};
use super::{eventually, metrics};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::TempDir;

/// How the config lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One file, replaced by a rename.
    File,
    /// As a Kubernetes `ConfigMap` volume: a link through `..data` to a directory, which a rename swaps.
    ConfigMap,
}

/// A running proxy with two workers, a listener `web` and an admin address, all on ephemeral ports.
pub(crate) struct Serin {
    pub(crate) process: Process,
    directory: TempDir,
    layout: Layout,
    version: u32,
    admin: SocketAddr,
    listeners: HashMap<String, SocketAddr>,
}

impl Serin {
    /// Starts it with this config and waits until it is ready. Listeners and admin address are put before it unless
    /// it has its own.
    #[track_caller]
    pub(crate) fn start(config: &str) -> Self {
        Self::start_as(Layout::File, config)
    }

    #[track_caller]
    pub(crate) fn start_as(layout: Layout, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut version = 0;
        write(layout, directory.path(), &mut version, &complete(config));
        Self::launch(directory, layout, version, &["--workers", "2"], &[])
    }

    /// The same with arguments and environment instead of `--workers 2`.
    #[track_caller]
    pub(crate) fn start_with(config: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut version = 0;
        write(Layout::File, directory.path(), &mut version, &complete(config));
        Self::launch(directory, Layout::File, version, args, environment)
    }

    #[track_caller]
    fn launch(directory: TempDir, layout: Layout, version: u32, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let path = file(directory.path());
        let mut all = vec!["run", "--config", path.to_str().expect("a plain path")];
        all.extend(args);
        let process = Process::start(&all, environment);
        let admin = address(process.log.event("admin listening", |_| true).as_ref(), &process);
        let listeners = HashMap::new();
        let serin = Self { process, directory, layout, version, admin, listeners };
        eventually("the proxy is ready", || serin.try_admin("GET", "/readyz").is_ok_and(|r| r.status == 200));
        serin
    }

    /// Kills it and starts it again with the same files.
    #[track_caller]
    pub(crate) fn restart(self) -> Self {
        let Self { process, directory, layout, version, .. } = self;
        drop(process);
        Self::launch(directory, layout, version, &["--workers", "2"], &[])
    }

    /// A rollout's state as it is on the disk: it comes there a moment after the traffic has moved, and a process that is
    /// killed in between has not seen it.
    pub(crate) fn saved(&self, rollout: &str) -> Value {
        let state = fs::read(self.config_path().with_file_name("serin-state.json")).unwrap_or_default();
        let state: Value = serde_json::from_slice(&state).unwrap_or_default();
        state["rollouts"][rollout].clone()
    }

    /// Where the config lies.
    pub(crate) fn config_path(&self) -> PathBuf {
        file(self.directory.path())
    }

    /// Where its listener `web` accepts.
    #[track_caller]
    pub(crate) fn address(&mut self) -> SocketAddr {
        self.listener("web")
    }

    /// Where a listener accepts; waits until it does.
    #[track_caller]
    pub(crate) fn listener(&mut self, name: &str) -> SocketAddr {
        if let Some(address) = self.listeners.get(name) {
            return *address;
        }
        let event = self.process.log.event("listening", |fields| fields["listener"] == name);
        let found = address(event.as_ref(), &self.process);
        self.listeners.insert(name.to_owned(), found);
        found
    }

    /// A new connection to the listener `web`.
    #[track_caller]
    pub(crate) fn client(&mut self) -> Client {
        Client::connect(self.address())
    }

    /// Where the admin server listens.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// A request to the admin address.
    pub(crate) fn try_admin(&self, method: &str, path: &str) -> io::Result<Response> {
        let mut client = Client::try_connect(self.admin)?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        client.wire.send(request.as_bytes())?;
        client.try_response(method)
    }

    #[track_caller]
    pub(crate) fn admin(&self, method: &str, path: &str) -> Response {
        self.try_admin(method, path).expect("the admin server answers")
    }

    /// A page of the admin server's API, parsed.
    #[track_caller]
    pub(crate) fn api(&self, path: &str) -> Value {
        let response = self.admin("GET", path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        serde_json::from_slice(&response.body).expect("JSON")
    }

    /// The sum of a metric's series that carry these labels.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metrics::sum(&self.admin("GET", "/metrics").text(), name, labels)
    }

    /// The same for a count.
    #[track_caller]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small and whole")]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.metric(name, labels).round() as u64
    }

    /// Waits until a count is this high, and asserts that it is not higher.
    #[track_caller]
    pub(crate) fn await_count(&self, name: &str, labels: &[(&str, &str)], expected: u64) {
        assert!(expected > 0, "there is nothing to wait for: every count is that high");
        eventually(&format!("{name}{labels:?} is {expected}"), || self.count(name, labels) >= expected);
        assert_eq!(self.count(name, labels), expected, "{name}{labels:?}");
    }

    /// Waits until nothing of this is left.
    #[track_caller]
    pub(crate) fn await_none(&self, name: &str, labels: &[(&str, &str)]) {
        eventually(&format!("{name}{labels:?} is 0"), || self.count(name, labels) == 0);
    }

    /// Puts a new config in the old one's place at one stroke, as its layout does it.
    pub(crate) fn write(&mut self, config: &str) {
        write(self.layout, self.directory.path(), &mut self.version, &complete(config));
    }

    /// Overwrites the file in place with exactly these bytes.
    pub(crate) fn overwrite(&self, bytes: &[u8]) {
        fs::write(self.config_path(), bytes).expect("the file can be written");
    }

    /// How many reloads there were, good and bad.
    #[track_caller]
    pub(crate) fn reloads(&self) -> u64 {
        self.count("serin_config_reloads_total", &[])
    }

    /// Writes a new config and waits until the proxy has read it.
    #[track_caller]
    pub(crate) fn reload(&mut self, config: &str) {
        let before = self.reloads();
        self.write(config);
        eventually("the edit is seen", || self.reloads() > before);
        assert_eq!(self.count("serin_config_last_reload_successful", &[]), 1, "{}", self.process.log.text());
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    #[track_caller]
    pub(crate) fn exit(&mut self) -> Exit {
        self.process.exit()
    }
}

/// A config with listeners and an admin address.
pub(crate) fn complete(config: &str) -> String {
    let mut whole = String::new();
    if !config.contains("listeners:") {
        whole.push_str("listeners: [{ name: web, address: \"127.0.0.1:0\" }]\n");
    }
    if !config.contains("admin:") {
        whole.push_str("admin: { address: \"127.0.0.1:0\" }\n");
    }
    whole + config
}

#[track_caller]
fn address(event: Option<&Value>, process: &Process) -> SocketAddr {
    let text = event.and_then(|fields| fields["address"].as_str());
    let parsed = text.and_then(|t| t.parse().ok());
    parsed.unwrap_or_else(|| panic!("it does not say where it listens; its log:\n{}", process.log.text()))
}

fn file(directory: &Path) -> PathBuf {
    directory.join("serin.yaml")
}

fn write(layout: Layout, directory: &Path, version: &mut u32, config: &str) {
    *version += 1;
    match layout {
        Layout::File => {
            let new = directory.join("serin.yaml.new");
            fs::write(&new, config).expect("the directory can be written");
            fs::rename(new, file(directory)).expect("a rename in one directory");
        }
        Layout::ConfigMap => {
            // As the kubelet does it (pkg/volume/util/atomic_writer.go): write aside, link, rename, remove.
            let (old, new) = (directory.join(format!("..{}", *version - 1)), directory.join(format!("..{version}")));
            fs::create_dir(&new).expect("the directory can be written");
            fs::write(new.join("serin.yaml"), config).expect("the directory can be written");
            symlink(new.file_name().expect("it has one"), directory.join("..data_tmp")).expect("links can be made");
            fs::rename(directory.join("..data_tmp"), directory.join("..data")).expect("a rename in one directory");
            if !file(directory).is_symlink() {
                symlink("..data/serin.yaml", file(directory)).expect("links can be made");
            }
            if old.exists() {
                fs::remove_dir_all(old).expect("it is ours");
            }
        }
    }
}
