//! Allocations a request, counted: a client, one worker and a backend over loopback, on connections that stay.
//!
//! The client and the backend here are plain blocking sockets with fixed buffers, so whatever is allocated is the
//! proxy's: its own code's, and its runtime's. Ticks of the worker are counted too; they come to ten a second.

use arc_swap::ArcSwap;
use serin::plan::{Available, Endpoint, Snapshot};
use serin::proxy::{Clock, Workers, bind};
use serin::stats::Registry;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WARM_UP: u32 = 2_000;
const REQUESTS: u32 = 50_000;

const GET: &[u8] = b"GET /items?page=2 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
const POST: &[u8] = b"POST /items HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello";
const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

const CONFIG: &str = r#"
listeners: [{ name: web, address: "127.0.0.1:0" }]
backends:
  - { name: stable, version: "1", endpoints: { static: ["127.0.0.1:1"] } }
  - { name: canary, version: "2", endpoints: { static: ["127.0.0.1:1"] } }
routes:
  - name: shop
    rules:
      - { name: testers, matches: [{ headers: [{ name: x-canary, value: always }] }], backendRefs: [{ name: canary }] }
      - { name: everyone, backendRefs: [{ name: stable, weight: 90 }, { name: canary, weight: 10 }] }
rollouts:
  - name: shop
    rule: shop/everyone
    stable: stable
    canary: canary
    stickiness: { header: x-user-id }
    rollback: [{ metric: error-rate, max: 5%, window: 5m }, { metric: latency-p99, max: 500ms, window: 5m }]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    for (name, request, response) in
        [("GET, sized response", GET, SIZED), ("GET, chunked response", GET, CHUNKED), ("POST", POST, SIZED)]
    {
        let mut client = TcpStream::connect(proxy(backend(request.ends_with(b"hello"), response)?)?)?;
        client.set_nodelay(true)?;
        let end: &[u8] = if response == CHUNKED { b"0\r\n\r\n" } else { b"hello" };
        for _ in 0..WARM_UP {
            exchange(&mut client, request, end)?;
        }
        let counted = Region::new(ALLOCATOR);
        for _ in 0..REQUESTS {
            exchange(&mut client, request, end)?;
        }
        let allocations = counted.change().allocations;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let each = allocations as f64 / f64::from(REQUESTS);
        println!("{name}: {each:.4} allocations a request ({allocations} in {REQUESTS} requests)");
    }
    Ok(())
}

/// One worker before `backend`; where it listens. It runs until the process ends.
fn proxy(backend: SocketAddr) -> Result<SocketAddr, Box<dyn Error>> {
    let plan = Arc::new(serin::config::check(CONFIG, Path::new("bench.yaml"))?);
    let registry = Registry::new(1);
    let endpoints = plan.backends.iter().map(|_| Available::from(Arc::from([Endpoint::new(backend)]))).collect();
    let snapshot = Snapshot::new(plan, endpoints, &[None], &registry);
    let workers = Workers::start(1, &Arc::new(ArcSwap::from_pointee(snapshot)), &registry, Clock::start())?;
    let listeners = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1)?;
    let address = listeners[0].local_addr()?;
    workers.listen(&Arc::from("web"), listeners, &Arc::default());
    // Its channel is what keeps a worker alive.
    std::mem::forget(workers);
    Ok(address)
}

/// Answers every request with `response`.
fn backend(has_body: bool, response: &'static [u8]) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_nodelay(true);
            std::thread::spawn(move || {
                let end: &[u8] = if has_body { b"hello" } else { b"\r\n\r\n" };
                while read_until(&mut stream, end).is_ok() && stream.write_all(response).is_ok() {}
            });
        }
    });
    Ok(address)
}

fn exchange(client: &mut TcpStream, request: &[u8], end: &[u8]) -> std::io::Result<()> {
    client.write_all(request)?;
    read_until(client, end)
}

/// Reads until what was read ends with `end`.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> std::io::Result<()> {
    let (mut buffer, mut read) = ([0; 4_096], 0);
    while !buffer[..read].ends_with(end) {
        match stream.read(&mut buffer[read..])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    Ok(())
}
