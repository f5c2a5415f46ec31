//! A backend that speaks HTTP/2, and does with each request what a test's script says.

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// A listening backend; its connections end with it.
pub(super) struct Peer {
    address: SocketAddr,
    seen: Arc<Seen>,
    leave: watch::Sender<usize>,
    _runtime: Runtime,
}

/// What the backend has seen.
#[derive(Default)]
pub(super) struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    streams: AtomicUsize,
    most_streams: AtomicUsize,
    heads: Mutex<Vec<http::request::Parts>>,
}

/// One request, in the hands of the script.
pub(super) struct Call {
    pub(super) head: http::request::Parts,
    /// Of an extended CONNECT.
    pub(super) protocol: Option<h2::ext::Protocol>,
    pub(super) content: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
    /// Of its connection, counted from 0.
    pub(super) connection: usize,
    /// Of the request, counted from 0 over the backend's life.
    pub(super) number: usize,
}

type Done = Pin<Box<dyn Future<Output = Result<(), h2::Error>> + Send>>;
type Script = Arc<dyn Fn(Call) -> Done + Send + Sync>;

impl Peer {
    /// Runs `script` for each request.
    pub(super) fn start<F>(script: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), h2::Error>> + Send + 'static,
    {
        Self::start_with(&server::Builder::new(), script)
    }

    /// The same with other settings.
    pub(super) fn start_with<F>(settings: &server::Builder, script: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), h2::Error>> + Send + 'static,
    {
        Self::listen(settings, script, |stream| async { Some(stream) })
    }

    /// The same where connections begin with `handshake`.
    pub(super) fn listen<F, H, S>(
        settings: &server::Builder,
        script: impl Fn(Call) -> F + Send + Sync + 'static,
        handshake: impl Fn(tokio::net::TcpStream) -> H + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), h2::Error>> + Send + 'static,
        H: Future<Output = Option<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let script: Script = Arc::new(move |call| Box::pin(script(call)));
        let (seen, (leave, leaving)) = (Arc::<Seen>::default(), watch::channel(0));
        let (theirs, settings) = (Arc::clone(&seen), settings.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a fresh socket takes options");
                let number = theirs.connections.fetch_add(1, SeqCst);
                let (began, settings, leaving) = (handshake(stream), settings.clone(), leaving.clone());
                let (seen, script) = (Arc::clone(&theirs), Arc::clone(&script));
                tokio::spawn(async move {
                    if let Some(stream) = began.await {
                        seen.open.fetch_add(1, SeqCst);
                        // How it ends is the test's to see at the other side.
                        let _ = serve(stream, &settings, number, &seen, script, leaving).await;
                        seen.open.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        Self { address, seen, leave, _runtime: runtime }
    }

    /// Answers every request with its number of connection and request.
    pub(super) fn counting() -> Self {
        Self::start(async |call: Call| {
            let text = format!("{} {}", call.connection, call.number);
            call.reply(200, text)
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted so far.
    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(SeqCst)
    }

    /// How many of them are open.
    pub(super) fn open(&self) -> usize {
        self.seen.open.load(SeqCst)
    }

    /// The most streams that any one connection had at a time.
    pub(super) fn most_streams(&self) -> usize {
        self.seen.most_streams.load(SeqCst)
    }

    /// How many streams there are on all connections.
    pub(super) fn streams(&self) -> usize {
        self.seen.streams.load(SeqCst)
    }

    /// How many requests there were.
    pub(super) fn requests(&self) -> usize {
        self.seen.heads.lock().unwrap().len()
    }

    /// The heads of all requests so far.
    pub(super) fn heads(&self) -> Vec<http::request::Parts> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// Tells everybody who is connected to go, gracefully.
    pub(super) fn go_away(&self) {
        self.leave.send_modify(|times| *times += 1);
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    settings: &server::Builder,
    number: usize,
    seen: &Arc<Seen>,
    script: Script,
    mut leaving: watch::Receiver<usize>,
) -> Result<(), h2::Error> {
    let mut connection = settings.handshake(stream).await?;
    leaving.mark_unchanged();
    let here = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            Ok(()) = leaving.changed() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, respond) = accepted?;
        let (head, content) = Request::into_parts(request);
        let request_number = {
            let mut heads = seen.heads.lock().unwrap();
            heads.push(head.clone());
            heads.len() - 1
        };
        seen.streams.fetch_add(1, SeqCst);
        seen.most_streams.fetch_max(here.fetch_add(1, SeqCst) + 1, SeqCst);
        let protocol = head.extensions.get().cloned();
        let call = Call { head, protocol, content, respond, connection: number, number: request_number };
        let (done, seen, here) = (script(call), Arc::clone(seen), Arc::clone(&here));
        tokio::spawn(async move {
            let _ = done.await;
            here.fetch_sub(1, SeqCst);
            seen.streams.fetch_sub(1, SeqCst);
        });
    }
}

impl Call {
    /// A whole response.
    pub(super) fn reply(mut self, code: u16, content: impl Into<Bytes>) -> Result<(), h2::Error> {
        let content = content.into();
        let mut sends = self.respond.send_response(response(code), content.is_empty())?;
        if content.is_empty() { Ok(()) } else { sends.send_data(content, true) }
    }

    /// A response's head, with content to come.
    pub(super) fn begin(&mut self, head: Response<()>) -> Result<SendStream<Bytes>, h2::Error> {
        self.respond.send_response(head, false)
    }

    /// The whole content, and the trailers behind it.
    pub(super) async fn whole(&mut self) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
        let mut whole = Vec::new();
        while let Some(data) = self.content.data().await {
            let data = data?;
            self.content.flow_control().release_capacity(data.len())?;
            whole.extend_from_slice(&data);
        }
        Ok((whole, self.content.trailers().await?))
    }

    pub(super) fn reset(mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }
}

/// A head with this status alone.
pub(super) fn response(code: u16) -> Response<()> {
    Response::builder().status(code).body(()).expect("it is one")
}

/// Sends all of `content`, as the other side takes it.
pub(super) async fn send_all(sends: &mut SendStream<Bytes>, mut content: Bytes) -> Result<(), h2::Error> {
    while !content.is_empty() {
        sends.reserve_capacity(content.len());
        let capacity = match std::future::poll_fn(|cx| sends.poll_capacity(cx)).await {
            Some(capacity) => capacity?,
            None => return Err(Reason::CANCEL.into()),
        };
        sends.send_data(content.split_to(capacity.min(content.len())), false)?;
    }
    Ok(())
}
