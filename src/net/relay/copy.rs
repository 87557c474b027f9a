//! Moves bytes through memory of this program, for bodies that somebody has to look at.
//!
//! Plain borrowed memory: no call here is in flight while it is waited for.

use std::io;
use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use crate::net::relay::Manner;
use crate::net::relay::RelayFault;
use crate::net::relay::end_of;
use crate::net::stream::Stream;

/// Receives at least one byte into `windows`, filled one behind the other; tells how many. One of them must have room.
///
/// # Errors
/// See [`RelayFault`].
pub async fn recv_into(
    source: &mut Stream,
    sink: &mut Stream,
    windows: &mut [IoSliceMut<'_>],
    manner: Manner,
) -> Result<usize, RelayFault> {
    loop {
        // Every `Stream` is non-blocking.
        match nix::sys::uio::readv(source.raw_fd(), windows) {
            Ok(0) => return Err(end_of(source)),
            Ok(count) => {
                source.note_moved(count);
                return Ok(count);
            }
            Err(Errno::EAGAIN) => manner.wait_for_source(source, sink).await?,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(RelayFault::Source(error.into())),
        }
    }
}

/// Sends all of `bytes`.
///
/// # Errors
/// See [`RelayFault`]; some bytes may have been sent.
pub async fn send_all(
    sink: &mut Stream,
    mut bytes: &[u8],
    manner: Manner,
) -> Result<(), RelayFault> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    while !bytes.is_empty() {
        match nix::sys::socket::send(sink.raw_fd(), bytes, flags) {
            Ok(0) => return Err(RelayFault::Sink(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                sink.note_moved(count);
                bytes = bytes.get(count..).unwrap_or_default();
            }
            Err(Errno::EAGAIN) => manner.wait_for_sink(sink).await?,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(RelayFault::Sink(error.into())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::io::Write;

    use crate::net::driver::sleep_ms;
    use crate::net::driver::spawn;
    use crate::net::loopback::connection;
    use crate::net::loopback::on_each_driver;
    use crate::net::loopback::pattern;
    use crate::net::loopback::stream_pair;

    use super::*;

    const IDLE_MS: u64 = 60_000;
    /// More than the two sockets between a sender and a reader hold.
    const LONG: usize = 64 << 20;

    #[test]
    fn windows_are_filled_in_their_order() {
        on_each_driver(async |core| {
            let (mut source, mut feeder) = connection(&core.deadlines);
            let (mut sink, _taker) = connection(&core.deadlines);
            feeder.write_all(&pattern(8)).unwrap();
            let (mut one, mut other) = ([0; 3], [0; 9]);
            let mut windows = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
            let manner = Manner::steady(IDLE_MS);
            let received = recv_into(&mut source, &mut sink, &mut windows, manner).await;
            assert_eq!(received.unwrap(), 8);
            assert_eq!([&one[..], &other[..5]].concat(), pattern(8));
        });
    }

    #[test]
    fn more_than_the_sockets_hold_is_sent_whole() {
        on_each_driver(async |core| {
            let (mut sink, mut taker) = stream_pair(&core.deadlines);
            let taking = spawn(async move {
                let mut seen = Vec::with_capacity(LONG);
                while seen.len() < LONG {
                    let (received, filled) = taker.recv_append(seen).await;
                    assert_ne!(received.unwrap(), 0);
                    seen = filled;
                }
                seen
            });
            let sent = send_all(&mut sink, &pattern(LONG), Manner::until_told(IDLE_MS)).await;
            sent.unwrap();
            assert!(taking.await.unwrap() == pattern(LONG));
        });
    }

    #[test]
    fn an_end_and_a_stall_of_the_source_are_told_apart() {
        on_each_driver(async |core| {
            let (mut sink, _taker) = connection(&core.deadlines);
            for closes in [true, false] {
                let (mut source, feeder) = connection(&core.deadlines);
                let feeder = Some(feeder).filter(|_| !closes);
                let mut byte = [0];
                let windows = &mut [IoSliceMut::new(&mut byte)];
                let manner = Manner::until_told(if closes { IDLE_MS } else { 1 });
                let fault = recv_into(&mut source, &mut sink, windows, manner).await;
                match fault.unwrap_err() {
                    RelayFault::SourceEnded => assert!(closes),
                    RelayFault::SourceTimedOut => assert!(!closes),
                    fault => panic!("{fault}"),
                }
                assert_eq!(source.timed_out(), !closes);
                drop(feeder);
            }
        });
    }

    #[test]
    fn a_sink_that_takes_nothing_times_out_and_one_that_has_gone_fails() {
        on_each_driver(async |core| {
            let (mut sink, _taker) = connection(&core.deadlines);
            let fault = send_all(&mut sink, &vec![0; LONG], Manner::until_told(50)).await;
            assert!(matches!(fault, Err(RelayFault::SinkTimedOut)), "{fault:?}");

            let (mut sink, taker) = connection(&core.deadlines);
            drop(taker);
            let fault = send_all(&mut sink, &vec![0; LONG], Manner::steady(IDLE_MS)).await;
            assert!(matches!(fault, Err(RelayFault::Sink(_))), "{fault:?}");
        });
    }

    #[test]
    fn what_the_sink_says_ends_either_wait_only_if_it_is_heeded() {
        on_each_driver(async |core| {
            let (mut source, mut feeder) = connection(&core.deadlines);
            let (mut sink, mut taker) = connection(&core.deadlines);
            taker.write_all(b"no").unwrap();
            let mut byte = [0];
            let windows = &mut [IoSliceMut::new(&mut byte)];
            let told = Manner::until_told(IDLE_MS);
            let fault = recv_into(&mut source, &mut sink, windows, told).await;
            assert!(matches!(fault, Err(RelayFault::SinkSpoke)), "{fault:?}");
            let fault = send_all(&mut sink, &vec![0; LONG], told).await;
            assert!(matches!(fault, Err(RelayFault::SinkSpoke)), "{fault:?}");

            drop(spawn(async move {
                sleep_ms(1).await;
                feeder.write_all(b"x").unwrap();
                sleep_ms(IDLE_MS).await;
            }));
            let received =
                recv_into(&mut source, &mut sink, windows, Manner::steady(IDLE_MS)).await;
            assert_eq!(received.unwrap(), 1);
            drop(taker.set_nonblocking(true));
            assert!(
                taker.read(&mut [0]).is_ok(),
                "some of the long one had been sent"
            );
        });
    }
}
