//! The config file that the demo runs with: an ordinary one, kept afterwards so that it can be copied.

use super::{DemoArgs, Error};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(super) const STABLE_VERSION: &str = "1.0.0";
pub(super) const CANARY_VERSION: &str = "2.0.0";

/// The file, written.
#[derive(Debug)]
pub(super) struct Settings {
    file: PathBuf,
}

impl Settings {
    /// Writes it into a new directory below the system's one for temporary files, so that nothing of anyone's is
    /// overwritten and no state of an earlier demo is found.
    pub(super) fn write(args: &DemoArgs, stable: SocketAddr, canary: SocketAddr) -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        let failed = |source| Error::Settings { directory: parent.clone(), source };
        let directory = new_directory(&parent).map_err(failed)?;
        let file = directory.join("serin.yaml");
        fs::write(&file, text(args, stable, canary)).map_err(failed)?;
        Ok(Self { file })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

fn new_directory(parent: &Path) -> io::Result<PathBuf> {
    let process = std::process::id();
    for attempt in 0.. {
        let directory = parent.join(format!("serin-demo-{process}-{attempt}"));
        match fs::create_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| directory),
        }
    }
    unreachable!("one of all numbers is free")
}

fn text(args: &DemoArgs, stable: SocketAddr, canary: SocketAddr) -> String {
    let DemoArgs { weight, port, admin_port, .. } = args;
    let rest = 100 - weight;
    format!(
        r#"# What `serin demo` ran with. Copy it, put your own addresses in, and: serin run --config FILE
listeners:
  - {{ name: web, address: "127.0.0.1:{port}" }}
admin: {{ address: "127.0.0.1:{admin_port}" }}

backends:
  - {{ name: stable, version: "{STABLE_VERSION}", endpoints: {{ static: ["{stable}"] }} }}
  - {{ name: canary, version: "{CANARY_VERSION}", endpoints: {{ static: ["{canary}"] }} }}

routes:
  - name: demo
    rules:
      - name: everyone
        backendRefs: [{{ name: stable, weight: {rest} }}, {{ name: canary, weight: {weight} }}]

rollouts:
  - name: demo
    rule: demo/everyone
    stable: stable
    canary: canary
    rollback:
      - {{ metric: error-rate, max: 5%, window: 30s }}
      - {{ metric: latency-p99, max: 500ms, window: 30s }}

# Nobody but the demo's own clients is to be waited for.
drain: {{ grace: 100ms, timeout: 2s }}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_config_is_one_that_serin_accepts() {
        for weight in [1, 10, 99] {
            let args = DemoArgs { duration: Duration::from_secs(12), fail_rate: 0.5, weight, port: 0, admin_port: 0 };
            let service = "127.0.0.1:8001".parse().unwrap();
            let settings = Settings::write(&args, service, service).unwrap();
            let loaded = crate::config::load(settings.file());
            fs::remove_dir_all(settings.file().parent().unwrap()).unwrap();
            assert_eq!(loaded.unwrap().plan.rollouts.len(), 1);
        }
    }
}
