use std::io;
use std::io::Write;
use std::rc::Rc;

use bytes::Bytes;

use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::deadline::SILENCE_MS;
use crate::net::driver::spawn;
use crate::net::loopback::certified;
use crate::net::loopback::connection;
use crate::net::loopback::on_each_driver;
use crate::net::loopback::pattern;
use crate::net::loopback::poll_once;
use crate::net::loopback::stream_pair;
use crate::net::loopback::tls_pair;
use crate::net::stream::Stream;
use crate::net::stream::Unread;
use crate::net::stream::is_silence;
use crate::net::tls::client::HandshakeFault;
use crate::net::tls::client::TlsClient;
use crate::net::tls::trust::Trust;

/// More than records, session buffers and sockets hold together.
const LARGE_BYTES: usize = 3 * 1024 * 1024 + 17;

/// Everything that `stream` receives, at most `step` bytes at a time.
async fn received(stream: &mut Stream, step: usize) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut piece = Vec::with_capacity(step.max(1));
    loop {
        let got;
        (got, piece) = stream.recv(piece, 0, step).await;
        match got? {
            0 => return Ok(all),
            count => all.extend_from_slice(&piece[..count]),
        }
    }
}

#[test]
fn bytes_arrive_as_they_were_sent_both_ways_whatever_the_buffers() {
    on_each_driver(async |core| {
        for step in [1_000, 16 * 1024, 256 * 1024] {
            let (mut client, mut server) = tls_pair(&core.deadlines).await;
            let sent = pattern(LARGE_BYTES);
            let whole = sent.clone();
            let sender = spawn(async move {
                client.send_all(whole, 0..usize::MAX).await.0.unwrap();
                client.shutdown_write().unwrap();
                client
            });
            assert!(received(&mut server, step).await.unwrap() == sent, "{step}");
            let mut client = sender.await.unwrap();
            let back = Bytes::from(pattern(LARGE_BYTES));
            let sender = spawn(async move {
                server.send_bytes(back).await.unwrap();
                server.shutdown_write().unwrap();
                server
            });
            assert!(received(&mut client, step).await.unwrap() == sent, "{step}");
            drop(sender.await);
        }
    });
}

#[test]
fn one_byte_at_a_time_loses_none() {
    on_each_driver(async |core| {
        let (mut client, mut server) = tls_pair(&core.deadlines).await;
        let sent = pattern(700);
        client.send_all(sent.clone(), 0..700).await.0.unwrap();
        client.shutdown_write().unwrap();
        assert_eq!(received(&mut server, 1).await.unwrap(), sent);
    });
}

#[test]
fn headroom_and_ranges_are_kept() {
    on_each_driver(async |core| {
        let (mut client, mut server) = tls_pair(&core.deadlines).await;
        let (sent, buffer) = client.send_all(b"..abcdef..".to_vec(), 2..8).await;
        sent.unwrap();
        assert_eq!(buffer, b"..abcdef..");
        let (got, buffer) = server.recv(Vec::with_capacity(64), 3, 4).await;
        assert_eq!((got.unwrap(), buffer.as_slice()), (4, &b"\0\0\0abcd"[..]));
        let (got, buffer) = server.recv(buffer, 1, 64).await;
        assert_eq!((got.unwrap(), buffer.as_slice()), (2, &b"\0ef"[..]));
    });
}

/// Sends a large body and receives one at the same time.
async fn exchange(mut stream: Stream) -> Stream {
    {
        let (mut from, mut to) = stream.halves().unwrap();
        let mut sending = std::pin::pin!(to.send_all(pattern(LARGE_BYTES), 0..usize::MAX));
        // Neither side has received anything yet: both directions are under way at once.
        let mut sent = poll_once(sending.as_mut()).await.is_some();
        let mut receiving = std::pin::pin!(async {
            let mut all = Vec::new();
            let mut piece = Vec::with_capacity(16 * 1024);
            while all.len() < LARGE_BYTES {
                let got;
                (got, piece) = from.recv(piece, 0, usize::MAX).await;
                assert!(got.unwrap() > 0);
                all.extend_from_slice(&piece);
            }
            all
        });
        let all = std::future::poll_fn(|context| {
            sent = sent || sending.as_mut().poll(context).is_ready();
            receiving.as_mut().poll(context)
        })
        .await;
        assert!(all == pattern(LARGE_BYTES));
        if !sent {
            sending.await.0.unwrap();
        }
    }
    stream
}

#[test]
fn halves_receive_while_they_send() {
    on_each_driver(async |core| {
        let (client, server) = tls_pair(&core.deadlines).await;
        let peer = spawn(exchange(server));
        let client = exchange(client).await;
        assert!(!client.is_plain());
        drop(peer.await.unwrap());
    });
}

#[test]
fn an_end_that_the_peer_did_not_tell_is_an_error() {
    on_each_driver(async |core| {
        let (mut client, mut server) = tls_pair(&core.deadlines).await;
        server.send_all(b"part".to_vec(), 0..4).await.0.unwrap();
        drop(server);
        let fault = received(&mut client, 64).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::UnexpectedEof);

        let (mut client, mut server) = tls_pair(&core.deadlines).await;
        server.send_all(b"all".to_vec(), 0..3).await.0.unwrap();
        server.shutdown_write().unwrap();
        assert_eq!(received(&mut client, 64).await.unwrap(), b"all");
    });
}

#[test]
fn what_is_unread_is_told_without_session_tickets() {
    on_each_driver(async |core| {
        let (mut client, mut server) = tls_pair(&core.deadlines).await;
        // A TLS 1.3 server sends its tickets at once; nobody has received them.
        client.readable().await.unwrap();
        assert_eq!(client.unread(), Unread::Nothing);
        server.send_all(b"x".to_vec(), 0..1).await.0.unwrap();
        client.readable().await.unwrap();
        assert_eq!(client.unread(), Unread::Bytes);
        assert_eq!(client.unread(), Unread::Bytes, "it was only looked at");
        client.readable().await.unwrap();
        let (got, _) = client.recv_append(Vec::with_capacity(8)).await;
        assert_eq!(got.unwrap(), 1);
        assert_eq!(client.unread(), Unread::Nothing);
        drop(server);
        client.readable().await.unwrap();
        assert_eq!(client.unread(), Unread::Closed);
    });
}

#[test]
fn deadlines_end_a_handshake_and_a_receive() {
    on_each_driver(async |core| {
        let (mut silent, _peer) = connection(&core.deadlines);
        silent.arm(1, Cut::Both);
        let tls = TlsClient::new(&Trust::default());
        let fault = silent.start_tls(tls.connection("a").unwrap()).await;
        assert_eq!(fault.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let (mut client, _server) = tls_pair(&core.deadlines).await;
        client.arm(1, Cut::Read);
        let (got, _) = client.recv_append(Vec::with_capacity(8)).await;
        assert_eq!(got.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn a_peer_that_is_not_trusted_or_no_tls_is_told_in_words() {
    on_each_driver(async |core| {
        let made = certified(&["store.example"]);
        let trusting = Rc::new(TlsClient::new(
            &Trust::with_authorities(&made.authority).unwrap(),
        ));
        let strange = Rc::new(TlsClient::new(&Trust::default()));
        for (client, host, told) in [
            (&trusting, "store.example", ""),
            (&trusting, "other.example", "not valid for name"),
            (&strange, "store.example", "--s3-ca-file"),
        ] {
            let (mut ours, mut peer) = stream_pair(&core.deadlines);
            let server = made.server.clone();
            let peer = spawn(async move {
                let tls = rustls::ServerConnection::new(server).unwrap();
                peer.start_tls(tls.into()).await
            });
            let done = ours.start_tls(client.connection(host).unwrap()).await;
            let text = done.map_or_else(
                |fault| HandshakeFault(&fault).to_string(),
                |()| String::new(),
            );
            assert!(
                text.contains(told) && text.is_empty() == told.is_empty(),
                "{text}"
            );
            // The alert tells the peer as well.
            assert_eq!(peer.await.unwrap().is_ok(), told.is_empty());
        }
        let (mut ours, mut peer) = connection(&core.deadlines);
        peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let fault = ours.start_tls(trusting.connection("a").unwrap()).await;
        let text = HandshakeFault(&fault.unwrap_err()).to_string();
        assert!(text.contains("plain http"), "{text}");
    });
}

#[test]
fn bytes_that_are_no_records_end_the_connection_for_good() {
    on_each_driver(async |core| {
        let (mut client, server) = tls_pair(&core.deadlines).await;
        // Past the server's own TLS.
        let flags = nix::sys::socket::MsgFlags::empty();
        nix::sys::socket::send(server.raw_fd(), b"HTTP/1.1 200 OK\r\n", flags).unwrap();
        for _ in 0..2 {
            let (got, _) = client.recv_append(Vec::with_capacity(8)).await;
            assert_eq!(got.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    });
}

#[test]
fn a_silent_receive_gives_its_buffers_back_and_the_session_goes_on() {
    on_each_driver(async |core| {
        let (mut client, mut server) = tls_pair(&core.deadlines).await;
        for round in 1..3 {
            let waiting = server.recv_unless_silent(Vec::with_capacity(64), 0, 64);
            let mut waiting = Box::pin(waiting);
            assert!(poll_once(waiting.as_mut()).await.is_none());
            let long_after_ms = clock::monotonic_ms() + 3_600_000 * round;
            core.deadlines.sweep(long_after_ms);
            core.deadlines.sweep(long_after_ms + SILENCE_MS);
            let (received, buffer) = waiting.as_mut().await;
            drop(waiting);
            assert!(is_silence(&received.unwrap_err()));
            client.send_all(b"again".to_vec(), 0..5).await.0.unwrap();
            server.readable().await.unwrap();
            let (received, buffer) = server.recv_unless_silent(buffer, 0, 64).await;
            assert_eq!((received.unwrap(), &buffer[..]), (5, &b"again"[..]));
        }
    });
}
