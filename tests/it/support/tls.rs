//! TLS in front of a scripted store, with certificates of an authority of its own.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::date_time_ymd;
use rustls::HandshakeKind;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;

/// Whether a certificate is good today.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    Now,
    Past,
}

/// A TLS server that hands what it decrypts to a store.
pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    /// The authority that signed its certificate, PEM.
    pub(crate) authority: String,
    seen: Arc<Mutex<Vec<Greeting>>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a client said in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) resumed: bool,
}

impl TlsFront {
    /// A front of the store at `url`, with a certificate for `name`.
    pub(crate) fn start(url: &str, name: &str, validity: Validity) -> Self {
        let (authority, config) = certified(name, validity);
        let store: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let closing = Arc::new(AtomicBool::new(false));
        let (greetings, stop) = (Arc::clone(&seen), Arc::clone(&closing));
        let thread = thread::spawn(move || {
            for outside in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (config, greetings) = (Arc::clone(&config), Arc::clone(&greetings));
                thread::spawn(move || bridge(outside.unwrap(), store, config, &greetings));
            }
        });
        Self {
            address,
            authority,
            seen,
            closing,
            thread: Some(thread),
        }
    }

    /// The handshakes that succeeded.
    pub(crate) fn greetings(&self) -> Vec<Greeting> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        if let Ok(stream) = TcpStream::connect(self.address) {
            // it only wakes the accept loop
            drop(stream);
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn certified(name: &str, validity: Validity) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if validity == Validity::Past {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    }
    let certificate = params.signed_by(&key, &authority).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (authority.pem(), Arc::new(config))
}

/// Carries bytes both ways until either side ends. An end of the store's side without `Connection: close` before it is
/// a cut, which is passed on as one: without `close_notify`.
fn bridge(
    mut outside: TcpStream,
    store: SocketAddr,
    config: Arc<ServerConfig>,
    seen: &Mutex<Vec<Greeting>>,
) {
    outside.set_nodelay(true).unwrap();
    let mut tls = ServerConnection::new(config).unwrap();
    while tls.is_handshaking() {
        if tls.complete_io(&mut outside).is_err() {
            return;
        }
    }
    seen.lock().unwrap().push(Greeting {
        server_name: tls.server_name().map(str::to_owned),
        alpn: tls.alpn_protocol().map(<[u8]>::to_vec),
        resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
    });
    let inside = TcpStream::connect(store).unwrap();
    inside.set_nodelay(true).unwrap();
    let tls = Arc::new(Mutex::new(tls));
    let (shared, from_store, to_client) = (
        Arc::clone(&tls),
        inside.try_clone().unwrap(),
        outside.try_clone().unwrap(),
    );
    let downward = thread::spawn(move || encrypt(&shared, from_store, to_client));
    decrypt(&tls, outside, inside);
    downward.join().unwrap();
}

fn encrypt(tls: &Mutex<ServerConnection>, mut from: TcpStream, mut to: TcpStream) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        let mut sealed = Vec::new();
        {
            let mut tls = tls.lock().unwrap();
            tls.writer().write_all(&piece[..count]).unwrap();
            while tls.wants_write() {
                tls.write_tls(&mut sealed).unwrap();
            }
        }
        if to.write_all(&sealed).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}

fn decrypt(tls: &Mutex<ServerConnection>, mut from: TcpStream, mut to: TcpStream) {
    let mut piece = vec![0; 16 * 1024];
    // What came with the end of the handshake.
    let mut early = Vec::new();
    opened(&mut tls.lock().unwrap(), &[], &mut early).unwrap();
    if to.write_all(&early).is_err() {
        return;
    }
    loop {
        let count = from.read(&mut piece).unwrap_or(0);
        let mut plain = Vec::new();
        let ended = opened(&mut tls.lock().unwrap(), &piece[..count], &mut plain).is_err();
        if to.write_all(&plain).is_err() || count == 0 || ended {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}

fn opened(tls: &mut ServerConnection, mut sealed: &[u8], plain: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        let at = plain.len();
        plain.resize(at + state.plaintext_bytes_to_read(), 0);
        tls.reader().read_exact(&mut plain[at..])?;
        if sealed.is_empty() {
            return Ok(());
        }
        tls.read_tls(&mut sealed)?;
    }
}
