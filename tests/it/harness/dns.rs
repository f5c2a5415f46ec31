//! A name server that knows the names it was told, with a TTL of one second (RFC 1035).

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running name server on a UDP port of its own.
pub(crate) struct Dns {
    address: SocketAddr,
    names: Arc<Mutex<HashMap<String, Vec<Ipv4Addr>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("the socket takes options");
        let address = socket.local_addr().expect("it is bound");
        let names = Arc::<Mutex<HashMap<_, _>>>::default();
        let stop = Arc::<AtomicBool>::default();
        let (known, end) = (Arc::clone(&names), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while !end.load(SeqCst) {
                if let Ok((n, from)) = socket.recv_from(&mut packet)
                    && let Some(answer) = answer(&packet[..n], &known.lock().unwrap())
                {
                    // A resolver that has gone does not need its answer.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, names, stop, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the name has these addresses. A name that was never set does not exist.
    pub(crate) fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        self.names.lock().unwrap().insert(name.to_owned(), addresses.to_vec());
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const TYPE_A: [u8; 2] = [0, 1];

fn answer(query: &[u8], names: &HashMap<String, Vec<Ipv4Addr>>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let question = query.get(12..at + 4)?;
    let wants_a = query.get(at..at + 2)? == TYPE_A;
    let found = names.get(&labels.join("."));
    let addresses = found.filter(|_| wants_a).map(Vec::as_slice).unwrap_or_default();
    let mut answer = query.get(..2)?.to_vec();
    // A response, recursion desired and available; NXDOMAIN when the name is unknown.
    answer.extend([0x81, if found.is_some() { 0x80 } else { 0x83 }, 0, 1, 0, u8::try_from(addresses.len()).ok()?]);
    answer.extend([0, 0, 0, 0]);
    answer.extend(question);
    for address in addresses {
        // The question's name by pointer, A, IN, one second, four octets.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
