//! The binary as a child process.

use super::PATIENCE;
use super::log::Log;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the kernel may take to bury a process.
const KERNELS_PATIENCE: Duration = Duration::from_secs(120);

/// A running `serin`, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) log: Log,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Exit {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) after: Duration,
}

impl Process {
    /// Starts the binary with these arguments and environment variables.
    pub(crate) fn start(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
        for name in ["SERIN_WORKERS", "SERIN_CONFIG", "SERIN_LOG"] {
            command.env_remove(name);
        }
        command.args(args).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built");
        let log = Log::of(child.stderr.take().expect("it is piped"));
        Self { child, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`: no package has to be there for it, and no unsafe code.
        let command = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").arg("-c").arg(&command).status().expect("there is a shell");
        assert!(status.success(), "{command}");
    }

    /// Whether it is still there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits until it ends.
    ///
    /// It has when its first thread has left, or has said its last word. Until the kernel has taken back what the process
    /// had, inotify's watches above all, seconds can pass on a machine whose cores are all taken; they are not counted.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> Exit {
        let began = Instant::now();
        let mut after = None;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if after.is_none() && (self.has_left() || self.log.text().contains("\"message\":\"stopped\"")) {
                after = Some(began.elapsed());
            }
            let patience = if after.is_some() { KERNELS_PATIENCE } else { PATIENCE };
            assert!(began.elapsed() < patience, "it does not end; {}; its log:\n{}", self.threads(), self.log.text());
            std::thread::sleep(Duration::from_millis(2));
        };
        Exit { code: status.code(), after: after.unwrap_or_else(|| began.elapsed()), stderr: self.log.whole() }
    }

    /// What each of its threads waits for in the kernel.
    fn threads(&self) -> String {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id())).into_iter().flatten().flatten();
        let read = |path: &std::path::Path, name| std::fs::read_to_string(path.join(name)).unwrap_or_default();
        let each =
            tasks.map(|task| format!("{} in {}", read(&task.path(), "comm").trim(), read(&task.path(), "wchan")));
        each.collect::<Vec<_>>().join(", ")
    }

    /// Whether its first thread has ended, and with it all that the process does (proc(5): `Z`).
    fn has_left(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
    }

    /// A line of `/proc/PID/status`, such as `VmRSS`, as a number.
    pub(crate) fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find(|l| l.starts_with(key)).expect("the kernel tells it");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    /// The names of its threads.
    pub(crate) fn thread_names(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("it runs");
        // One may end between the two looks.
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// Resident memory in bytes.
    pub(crate) fn rss(&self) -> u64 {
        self.status("VmRSS:") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
