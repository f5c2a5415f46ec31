//! Endpoints that are processes of their own, so that they can be killed and stopped as such.
//!
//! The process is this very test binary, told to be an endpoint. It ends with the test that started it.

use crate::harness::{Backend, Conn};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};

/// Names an endpoint's address and name to the process that is to be it.
const ADDRESS: &str = "SERIN_FAULTS_ENDPOINT_ADDRESS";
const NAME: &str = "SERIN_FAULTS_ENDPOINT_NAME";

/// An endpoint with a name and an address that outlive its processes.
pub(super) struct Endpoint {
    name: String,
    address: SocketAddr,
    /// What starts a program there, such as `ip netns exec NAME`; nothing where it is here.
    launcher: Vec<String>,
    arrived: Arc<Mutex<Vec<String>>>,
    process: Option<(Child, ChildStdin)>,
}

impl Endpoint {
    /// A running endpoint at a loopback address that nobody else has: while it is dead, nobody takes its port.
    pub(super) fn start(name: &str) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = COUNT.fetch_add(1, SeqCst).to_be_bytes();
        let [.., process] = std::process::id().to_be_bytes();
        Self::start_at(name, SocketAddr::from((Ipv4Addr::new(127, 100 + high, process, low), 0)), Vec::new())
    }

    /// The same at an address, on any port if that is 0, started by `launcher`.
    pub(super) fn start_at(name: &str, address: SocketAddr, launcher: Vec<String>) -> Self {
        let mut endpoint = Self { name: name.to_owned(), address, launcher, arrived: Arc::default(), process: None };
        endpoint.restart();
        endpoint
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The targets of all POST requests that its processes have had, each as often as it came.
    pub(super) fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }

    /// Kills its process, as the kernel does that is out of memory.
    pub(super) fn kill(&mut self) {
        if let Some((mut child, stdin)) = self.process.take() {
            // What a launcher has started may be another user's; it ends all the same when nobody holds its input.
            assert!(child.kill().is_ok() || !self.launcher.is_empty(), "it is our child");
            drop(stdin);
            child.wait().expect("it is our child");
        }
    }

    /// Starts its process, and waits until it accepts connections.
    pub(super) fn restart(&mut self) {
        let itself = std::env::current_exe().expect("the kernel knows");
        let mut words = self.launcher.clone();
        // By `env`, since a launcher may pass on no environment of its own.
        words.extend(["env".to_owned(), format!("{ADDRESS}={}", self.address), format!("{NAME}={}", self.name)]);
        words.push(itself.to_str().expect("a plain path").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["--exact", "faults::endpoint::the_process_of_an_endpoint"]);
        command.args(["--ignored", "--nocapture", "--test-threads=1"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it has run before");
        let stdin = child.stdin.take().expect("it is piped");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (listens, listening) = mpsc::channel();
        let arrived = Arc::clone(&self.arrived);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                match line.split_once(' ') {
                    Some(("listening", address)) => listens.send(address.to_owned()).expect("it is waited for"),
                    Some(("arrived", target)) => arrived.lock().unwrap().push(target.to_owned()),
                    _ => {}
                }
            }
        });
        let address = listening.recv_timeout(crate::harness::PATIENCE).expect("it listens");
        self.address = address.parse().expect("an address");
        self.process = Some((child, stdin));
    }

    /// Sends its process a signal by its name, such as `STOP`.
    pub(super) fn signal(&self, name: &str) {
        let (child, _) = self.process.as_ref().expect("it runs");
        let command = format!("kill -{name} {}", child.id());
        let status = Command::new("sh").arg("-c").arg(&command).status().expect("there is a shell");
        assert!(status.success(), "{command}");
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a target such as `/7/1400` is answered: 1,400 bytes that no other target is answered. Below `/half/` only a half of
/// it comes, and then nothing more.
pub(super) fn content(target: &str) -> Vec<u8> {
    let length = target.rsplit('/').next().and_then(|length| length.parse().ok()).unwrap_or(0);
    target.bytes().cycle().take(length).collect()
}

#[test]
#[ignore = "not a test: the process of an endpoint, started by the tests"]
fn the_process_of_an_endpoint() {
    let (Ok(address), Ok(name)) = (std::env::var(ADDRESS), std::env::var(NAME)) else { return };
    let backend = Backend::start_at(address.parse().expect("an address"), move |conn| serve(conn, &name));
    println!("\nlistening {}", backend.address());
    // The other end closes with whoever started this, however that ends.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

fn serve(conn: &mut Conn, name: &str) {
    conn.forget();
    while let Some(request) = conn.request() {
        let target = request.target();
        if request.method() == "POST" {
            println!("arrived {target}");
        }
        let mut answer = answer(target, name);
        let stalls = target.starts_with("/half/");
        if stalls {
            answer.truncate(answer.len() - content(target).len() / 2);
        }
        if !conn.send(answer) || stalls {
            conn.await_close();
            return;
        }
    }
}

/// A whole response to a request with this target.
pub(super) fn answer(target: &str, name: &str) -> Vec<u8> {
    let content = content(target);
    let head = format!("HTTP/1.1 200 OK\r\nx-backend: {name}\r\nContent-Length: {}\r\n\r\n", content.len());
    [head.into_bytes(), content].concat()
}
