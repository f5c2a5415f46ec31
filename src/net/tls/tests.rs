//! A connection between two ends of ours: what its readiness, its writes and its end mean.

use super::{Connector, Identity, Tls, server_config, tickets};
use crate::net::Stream;
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The two ends of a connection whose handshake is over: the one that was connected to, and the other.
pub(crate) async fn pair() -> (Stream, Stream) {
    let made = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = super::provider().key_provider.load_private_key(PrivateKeyDer::from(made.signing_key)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let identity = Identity {
        key: Arc::new(CertifiedKey::new(vec![certificate], key)),
        names: vec!["test".into()],
        not_after: SystemTime::UNIX_EPOCH,
    };
    let config = server_config(vec![identity], None, tickets().unwrap(), &[super::HTTP1]).unwrap();
    let name = ServerName::try_from("test").unwrap();
    let connector = Connector::new(Arc::new(roots), None, Some(name)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let mut tls = Tls::server(listener.accept().await.unwrap().0, config).unwrap();
        poll_fn(|cx| tls.poll_handshake(cx)).await.unwrap();
        Stream::Tls(tls)
    };
    let client = async {
        let socket = TcpStream::connect(address).await.unwrap();
        Stream::Tls(connector.connect(socket, address.ip()).await.unwrap())
    };
    tokio::join!(server, client)
}

/// Writes until nothing more is taken: how much was.
pub(crate) async fn fill(stream: &mut Stream) -> usize {
    let piece = vec![7; 16_384];
    let mut taken = 0;
    poll_fn(|cx| {
        while let Poll::Ready(written) = std::pin::Pin::new(&mut *stream).poll_write(cx, &piece) {
            taken += written.unwrap();
        }
        Poll::Ready(taken)
    })
    .await
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("nothing stalls") };
    runtime.block_on(limited);
}

fn tls(stream: &mut Stream) -> &mut Tls {
    match stream {
        Stream::Tls(tls) => tls,
        Stream::Plain(_) | Stream::Http2(_) => panic!("it is over TLS"),
    }
}

#[test]
fn what_was_taken_goes_out_by_a_flush_once_the_peer_reads() {
    run(async {
        let (mut server, mut client) = pair().await;
        let taken = fill(&mut server).await;
        assert!(server.has_unsent(), "the last of {taken} bytes did not fit");
        assert!(poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut server).poll_flush(cx).is_pending())).await);
        let read = async {
            let mut bytes = vec![0; taken];
            client.read_exact(&mut bytes).await.unwrap();
            assert!(bytes.iter().all(|&byte| byte == 7));
        };
        let ((), flushed) = tokio::join!(read, server.flush());
        flushed.unwrap();
        assert!(!server.has_unsent());
    });
}

#[test]
fn what_was_decrypted_is_ready_although_the_socket_is_not() {
    run(async {
        let (mut server, mut client) = pair().await;
        server.write_all(b"abc").await.unwrap();
        server.flush().await.unwrap();
        for expected in b"abc" {
            poll_fn(|cx| client.poll_read_ready(cx)).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), *expected);
        }
        assert!(poll_fn(|cx| Poll::Ready(client.poll_read_ready(cx).is_pending())).await);
    });
}

#[test]
fn an_end_is_one_only_if_the_peer_says_so() {
    run(async {
        let mut space = [0; 8];
        let (server, mut client) = pair().await;
        drop(server);
        assert_eq!(client.read(&mut space).await.unwrap(), 0, "a stream that is dropped says so");
        let (mut server, mut client) = pair().await;
        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut space).await.unwrap(), 0);
        let (mut server, mut client) = pair().await;
        // The end of the socket, and not of the session.
        tls(&mut server).cut();
        drop(server);
        assert_eq!(client.read(&mut space).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (mut server, mut client) = pair().await;
        server.cut();
        drop(server);
        assert_eq!(client.read(&mut space).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

/// Waits until the runtime has seen bytes come.
async fn arrives(stream: &mut Stream) {
    tls(stream).socket.readable().await.unwrap();
}

#[test]
fn session_tickets_and_new_keys_leave_an_idle_connection_quiet_and_data_and_an_end_do_not() {
    run(async {
        let (mut server, mut client) = pair().await;
        // The tickets that follow the handshake.
        arrives(&mut client).await;
        assert!(client.is_quiet() && !client.is_closed());
        tls(&mut server).session.refresh_traffic_keys().unwrap();
        server.flush().await.unwrap();
        arrives(&mut client).await;
        assert!(!client.is_closed() && client.is_quiet());
        server.write_all(b"x").await.unwrap();
        server.flush().await.unwrap();
        arrives(&mut client).await;
        assert!(!client.is_quiet());
        let (mut server, mut client) = pair().await;
        assert!(!client.is_closed());
        server.shutdown().await.unwrap();
        arrives(&mut client).await;
        assert!(!client.is_quiet() && client.is_closed());
    });
}
