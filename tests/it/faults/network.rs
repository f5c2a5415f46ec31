//! A network namespace with an interface of its own, which stands for another machine and can be cut off.

use crate::harness::skipped;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Another machine's network; removed with all that is in it when it is dropped.
pub(super) struct Network {
    number: u32,
    ours: Ipv4Addr,
    theirs: Ipv4Addr,
}

impl Network {
    /// A network that can be reached from here. Where none can be made, the test says so and is skipped.
    pub(super) fn join() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Four addresses for each, of the block for benchmarks between networks (RFC 2544).
        let number = (std::process::id() * 4 + COUNT.fetch_add(1, SeqCst)) % 0x8000;
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number * 4;
        let network = Self { number, ours: Ipv4Addr::from(first + 1), theirs: Ipv4Addr::from(first + 2) };
        match network.make() {
            Ok(()) => Some(network),
            Err(why) => {
                skipped(&format!("no network namespace can be made, which takes root and iproute2 ({why})"));
                None
            }
        }
    }

    fn make(&self) -> Result<(), String> {
        let Self { ours, theirs, .. } = self;
        let (name, (here, there)) = (self.name(), self.interfaces());
        run(&format!("netns add {name}"))?;
        run(&format!("link add {here} type veth peer name {there} netns {name}"))?;
        run(&format!("address add {ours}/30 dev {here}"))?;
        run(&format!("link set {here} up"))?;
        run(&format!("-n {name} address add {theirs}/30 dev {there}"))?;
        self.connect();
        Ok(())
    }

    fn name(&self) -> String {
        format!("serin-faults-{}", self.number)
    }

    /// The names of the two ends of the wire; an interface's has at most 15 characters.
    fn interfaces(&self) -> (String, String) {
        (format!("serin-{}-a", self.number), format!("serin-{}-b", self.number))
    }

    /// The other machine's address.
    pub(super) fn theirs(&self) -> Ipv4Addr {
        self.theirs
    }

    /// What starts a program there.
    pub(super) fn launcher(&self) -> Vec<String> {
        let mut words = as_root();
        words.extend(["ip", "netns", "exec", &self.name()].map(str::to_owned));
        words
    }

    /// Pulls the plug: nothing gets there, nothing comes from there, and nobody is told.
    pub(super) fn cut(&self) {
        let (_, there) = self.interfaces();
        run(&format!("-n {} link set {there} down", self.name())).expect("it was up");
    }

    /// What is sent there arrives, and nothing comes back.
    pub(super) fn mute(&self) {
        run(&format!("-n {} route add blackhole {}/32", self.name(), self.ours)).expect("there was no such route");
    }

    pub(super) fn unmute(&self) {
        run(&format!("-n {} route delete blackhole {}/32", self.name(), self.ours)).expect("there is such a route");
    }

    pub(super) fn connect(&self) {
        let (_, there) = self.interfaces();
        run(&format!("-n {} link set {there} up", self.name())).expect("it is there");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = run(&format!("netns delete {}", self.name()));
    }
}

/// What comes before a command that only root may run.
fn as_root() -> Vec<String> {
    let is_root = rustix::process::getuid().is_root();
    if is_root { Vec::new() } else { vec!["sudo".to_owned(), "-n".to_owned()] }
}

/// Runs `ip` with these words; what it said if it failed.
fn run(words: &str) -> Result<(), String> {
    let mut command = as_root();
    command.extend(["ip"].into_iter().chain(words.split(' ')).map(str::to_owned));
    let program = &command[0];
    let output = Command::new(program).args(&command[1..]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = || format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    if output.status.success() { Ok(()) } else { Err(said()) }
}
