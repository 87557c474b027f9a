//! What the tests of this floor share: a core on each driver, connections to ourselves.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::IsCa;
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::net::deadline::DeadlineTable;
use crate::net::driver::Core;
use crate::net::driver::DriverChoice;
use crate::net::driver::run_core;
use crate::net::driver::spawn;
use crate::net::stream::Stream;
use crate::net::tls::client::TlsClient;
use crate::net::tls::trust::Trust;

/// A test that takes longer hangs, on a busy machine too.
const TEST_MS_MAX: u64 = 120_000;

/// Runs a test on io_uring and on epoll: epoll hides what io_uring loses.
pub(crate) fn on_each_driver<F: AsyncFn(Core)>(test: F) {
    for choice in [DriverChoice::Uring, DriverChoice::Epoll] {
        let done = run_core(choice, |core| {
            monoio::time::timeout(Duration::from_millis(TEST_MS_MAX), test(core))
        });
        assert!(done.unwrap().is_ok(), "hangs on {choice:?}");
    }
}

/// A socket that listens on a free port of 127.0.0.1.
pub(crate) fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A connection: our end, and the peer's as a plain blocking socket.
pub(crate) fn connection(deadlines: &DeadlineTable) -> (Stream, TcpStream) {
    let (listener, address) = listening();
    let peer = TcpStream::connect(address).unwrap();
    let (ours, _) = listener.accept().unwrap();
    (Stream::from_std(ours, deadlines).unwrap(), peer)
}

/// A connection with both ends on this core.
pub(crate) fn stream_pair(deadlines: &DeadlineTable) -> (Stream, Stream) {
    let (ours, peer) = connection(deadlines);
    (ours, Stream::from_std(peer, deadlines).unwrap())
}

/// Polls once, so that an operation is in flight afterwards.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// `count` bytes in which every position can be told from its neighbours.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count)
        .map(|position| u8::try_from(position % 251).unwrap())
        .collect()
}

/// A certificate authority of a test and what a server shows that it has signed.
pub(crate) struct Certified {
    /// The authority, PEM.
    pub(crate) authority: String,
    /// A server with a certificate for the names.
    pub(crate) server: Arc<ServerConfig>,
}

/// Makes an authority and a server's certificate for `names`.
pub(crate) fn certified(names: &[&str]) -> Certified {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    Certified {
        authority: authority.pem(),
        server: Arc::new(server),
    }
}

/// A TLS connection with both ends on this core: the client's and the server's.
pub(crate) async fn tls_pair(deadlines: &DeadlineTable) -> (Stream, Stream) {
    let made = certified(&["store.example"]);
    let client = TlsClient::new(&Trust::with_authorities(&made.authority).unwrap());
    let (mut ours, mut peer) = stream_pair(deadlines);
    let server = spawn(async move {
        let tls = ServerConnection::new(made.server).unwrap();
        peer.start_tls(tls.into()).await.unwrap();
        peer
    });
    let tls = client.connection("store.example").unwrap();
    ours.start_tls(tls).await.unwrap();
    (ours, server.await.unwrap())
}
