//! The other ends: a client and a backend over TLS that block, curl, and openssl's client.

use super::authority::{Authority, Files};
use crate::harness::PATIENCE;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serin::net::tls::{Role, certificate_authorities, provider};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// A client's connection.
pub(crate) struct SecureClient(pub(crate) StreamOwned<ClientConnection, TcpStream>);

fn roots(authority: &Authority) -> RootCertStore {
    certificate_authorities(&authority.certificate(), Role::Ca).expect("an authority's certificate")
}

fn chain(files: &Files) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_file_iter(&files.certificate).expect("it is there").collect::<Result<_, _>>();
    (chain.expect("PEM"), PrivateKeyDer::from_pem_file(&files.key).expect("a key"))
}

fn connected(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

impl SecureClient {
    /// Connects, and believes certificates of `authority` for `name`.
    pub(crate) fn connect(address: SocketAddr, authority: &Authority, name: &str) -> io::Result<Self> {
        Self::connect_after(address, authority, name, b"")
    }

    /// The same, to speak HTTP/2 then.
    pub(crate) fn connect_http2(address: SocketAddr, authority: &Authority, name: &str) -> io::Result<Self> {
        Self::begin(address, authority, name, b"", &[b"h2"])
    }

    /// The same, with these bytes in clear right before the handshake.
    pub(crate) fn connect_after(
        address: SocketAddr,
        authority: &Authority,
        name: &str,
        before: &[u8],
    ) -> io::Result<Self> {
        Self::begin(address, authority, name, before, &[])
    }

    fn begin(
        address: SocketAddr,
        authority: &Authority,
        name: &str,
        before: &[u8],
        protocols: &[&[u8]],
    ) -> io::Result<Self> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has both")
            .with_root_certificates(roots(authority))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut session = ClientConnection::new(Arc::new(config), name).expect("a config");
        let (mut first, mut socket) = (before.to_vec(), connected(address)?);
        session.write_tls(&mut first)?;
        socket.write_all(&first)?;
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    /// Sends `bytes` in as few records as they fit in.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// The next response: its head, and its body, which has a length.
    pub(crate) fn response(&mut self) -> io::Result<(String, Vec<u8>)> {
        message(&mut self.0)
    }

    pub(crate) fn get(&mut self) -> io::Result<(String, Vec<u8>)> {
        self.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")?;
        self.response()
    }

    /// What the peer has shown.
    pub(crate) fn peer_certificate(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().expect("a server has one")[0].to_vec()
    }
}

/// A file's first certificate, as peers show it.
pub(crate) fn der(files: &Files) -> Vec<u8> {
    chain(files).0[0].to_vec()
}

/// A message with a length, or with nothing after its head.
fn message(stream: &mut impl Read) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

/// A backend that speaks TLS.
pub(crate) struct SecureBackend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    resumed: AtomicUsize,
    /// For each handshake: the name asked for, and whether the client showed a certificate.
    handshakes: Mutex<Vec<(Option<String>, bool)>>,
    requests: Mutex<Vec<String>>,
}

/// One connection, after its handshake.
pub(crate) struct SecureConn {
    pub(crate) stream: StreamOwned<ServerConnection, TcpStream>,
    shared: Arc<Shared>,
}

impl SecureBackend {
    /// Shows `files`, asks for certificates of `clients` if given, and runs `script` on each connection.
    pub(crate) fn start(
        files: &Files,
        clients: Option<&Authority>,
        script: impl Fn(&mut SecureConn) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start_after(files, clients, |_| Ok(()), script)
    }

    /// The same; what comes in clear before the handshake is for `before`.
    fn start_after(
        files: &Files,
        clients: Option<&Authority>,
        before: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
        script: impl Fn(&mut SecureConn) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().expect("ring has both");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(authority).into(), provider());
                builder.with_client_cert_verifier(verifier.build().expect("an authority"))
            }
        };
        let (certificates, key) = chain(files);
        let config = Arc::new(builder.with_single_cert(certificates, key).expect("a pair"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (shared, before, script) = (Arc::<Shared>::default(), Arc::new(before), Arc::new(script));
        let theirs = Arc::clone(&shared);
        // It listens until the test's process ends: no test depends on its end.
        std::thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                theirs.connections.fetch_add(1, SeqCst);
                let (config, shared) = (Arc::clone(&config), Arc::clone(&theirs));
                let (before, script) = (Arc::clone(&before), Arc::clone(&script));
                std::thread::spawn(move || {
                    if before(&mut socket).is_ok() {
                        SecureConn::serve(socket, config, shared, &*script);
                    }
                });
            }
        });
        Self { address, shared }
    }

    /// Answers every request with `ok`.
    pub(crate) fn ok(files: &Files, clients: Option<&Authority>) -> Self {
        Self::start(files, clients, SecureConn::reply_to_all)
    }

    /// The same; what comes in clear before the handshake is for `before`.
    pub(crate) fn ok_after(
        files: &Files,
        before: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start_after(files, None, before, SecureConn::reply_to_all)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    pub(crate) fn resumed(&self) -> usize {
        self.shared.resumed.load(SeqCst)
    }

    pub(crate) fn handshakes(&self) -> Vec<(Option<String>, bool)> {
        self.shared.handshakes.lock().unwrap().clone()
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl SecureConn {
    fn serve(
        socket: TcpStream,
        config: Arc<ServerConfig>,
        shared: Arc<Shared>,
        script: &dyn Fn(&mut Self) -> io::Result<()>,
    ) {
        let session = ServerConnection::new(config).expect("a config");
        let mut conn = Self { stream: StreamOwned::new(session, socket), shared };
        while conn.stream.conn.is_handshaking() {
            if conn.stream.conn.complete_io(&mut conn.stream.sock).is_err() {
                return;
            }
        }
        let session = &conn.stream.conn;
        let shown = session.peer_certificates().is_some();
        conn.shared.handshakes.lock().unwrap().push((session.server_name().map(str::to_owned), shown));
        if session.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
            conn.shared.resumed.fetch_add(1, SeqCst);
        }
        // A script ends with its connection.
        let _ = script(&mut conn);
    }

    /// The next request, head and body.
    pub(crate) fn request(&mut self) -> io::Result<Vec<u8>> {
        let (head, body) = message(&mut self.stream)?;
        self.shared.requests.lock().unwrap().push(head);
        Ok(body)
    }

    fn reply_to_all(&mut self) -> io::Result<()> {
        loop {
            self.request()?;
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Says that this was all.
    pub(crate) fn say_goodbye(&mut self) -> io::Result<()> {
        self.stream.conn.send_close_notify();
        self.stream.flush()
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end, with this on its standard input.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it is installed");
    // A program that needs no input may have closed it.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    let output = child.wait_with_output().expect("it is our child");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Runs curl for `https://name:port/`, where the name leads to `address`.
pub(crate) fn curl(authority: &Authority, address: SocketAddr, name: &str, more: &[&str]) -> Ran {
    let (url, port) = (format!("https://{name}:{}/", address.port()), address.port());
    let (resolve, ca) = (format!("{name}:{port}:127.0.0.1"), authority.certificate());
    let mut all = vec!["--silent", "--show-error", "--max-time", "20", "--resolve", &resolve, "--cacert"];
    all.push(ca.to_str().expect("a plain path"));
    all.extend(more);
    all.push(&url);
    run("curl", &all, b"")
}

/// Runs openssl's client for one request, which ends the connection.
pub(crate) fn s_client(address: SocketAddr, more: &[&str]) -> Ran {
    let address = address.to_string();
    let mut all = vec!["s_client", "-connect", &address, "-ign_eof"];
    all.extend(more);
    run("openssl", &all, b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}
