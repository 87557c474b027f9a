use std::io::Read;
use std::pin::pin;
use std::rc::Rc;

use crate::net::driver::sleep_ms;
use crate::net::driver::spawn;
use crate::net::loopback::connection;
use crate::net::loopback::on_each_driver;
use crate::net::loopback::pattern;
use crate::net::loopback::poll_once;
use crate::net::loopback::stream_pair;

use super::*;

const IDLE_MS: u64 = 60_000;
const STEADY: Manner = Manner::steady(IDLE_MS);

async fn receive(mut stream: Stream, count: usize) -> (Vec<u8>, Stream) {
    let mut seen = Vec::with_capacity(count);
    while seen.len() < count {
        let (received, filled) = stream.recv_append(seen).await;
        assert_ne!(received.unwrap(), 0);
        seen = filled;
    }
    (seen, stream)
}

#[test]
fn exactly_the_wanted_bytes_are_moved() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        for count in [0, 1, 65_537, 9 << 20] {
            let (mut source, mut feeder) = stream_pair(&core.deadlines);
            let (mut sink, taker) = stream_pair(&core.deadlines);
            let feeding = spawn(async move {
                feeder
                    .send_all(pattern(count + 5), 0..count + 5)
                    .await
                    .0
                    .unwrap();
                feeder
            });
            let taking = spawn(receive(taker, count));
            let wanted = u64::try_from(count).unwrap();
            splice_exact(&pipes, &mut source, &mut sink, wanted, STEADY)
                .await
                .unwrap();
            assert!(taking.await.unwrap().0 == pattern(count), "{count} bytes");
            let (rest, _source) = receive(source, 5).await;
            assert_eq!(rest, pattern(count + 5)[count..]);
            drop(feeding.await);
            // Both ends are as before: the sink still sends through the driver.
            sink.send_all(b"next".to_vec(), 0..4).await.0.unwrap();
            assert_eq!((pipes.kept(), pipes.lent()), (1, 0));
        }
    });
}

#[test]
fn early_end_of_the_source_tells_what_was_moved() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let (mut sink, mut taker) = connection(&core.deadlines);
        feeder.send_all(pattern(1000), 0..1000).await.0.unwrap();
        feeder.shutdown_write().unwrap();
        let error = splice_exact(&pipes, &mut source, &mut sink, 1001, STEADY)
            .await
            .unwrap_err();
        assert_eq!(error.moved, 1000);
        assert!(matches!(
            error.fault,
            SpliceFault::Broken(RelayFault::SourceEnded)
        ));
        let mut seen = [0; 1000];
        taker.read_exact(&mut seen).unwrap();
        assert_eq!(seen.as_slice(), pattern(1000));
        assert_eq!((pipes.kept(), pipes.lent()), (0, 0));
    });
}

#[test]
fn gone_sink_is_a_failure_of_the_sink() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let (mut sink, taker) = connection(&core.deadlines);
        drop(taker);
        let feeding = spawn(async move { feeder.send_all(vec![0; 32 << 20], 0..32 << 20).await.0 });
        let error = splice_exact(&pipes, &mut source, &mut sink, 32 << 20, STEADY)
            .await
            .unwrap_err();
        assert!(
            matches!(error.fault, SpliceFault::Broken(RelayFault::Sink(_))),
            "{error}"
        );
        assert_eq!((pipes.kept(), pipes.lent()), (0, 0));
        drop(source);
        assert!(feeding.await.unwrap().is_err());
    });
}

#[test]
fn silent_source_and_stuck_sink_time_out() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let (mut source, _feeder) = connection(&core.deadlines);
        let (mut sink, _taker) = connection(&core.deadlines);
        let error = splice_exact(&pipes, &mut source, &mut sink, 1, Manner::steady(5))
            .await
            .unwrap_err();
        assert!(
            matches!(error.fault, SpliceFault::Broken(RelayFault::SourceTimedOut)),
            "{error}"
        );
        assert!(source.timed_out() && !sink.timed_out());

        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let feeding = spawn(async move { feeder.send_all(vec![0; 64 << 20], 0..64 << 20).await.0 });
        let error = splice_exact(
            &pipes,
            &mut source,
            &mut sink,
            64 << 20,
            Manner::steady(400),
        )
        .await
        .unwrap_err();
        assert!(
            matches!(error.fault, SpliceFault::Broken(RelayFault::SinkTimedOut)),
            "{error}"
        );
        assert!(sink.timed_out() && !source.timed_out());
        drop(source);
        assert!(feeding.await.unwrap().is_err());
    });
}

/// Counts timer steps of the core: a system call that waited would stop them.
fn pulse() -> Rc<Cell<u32>> {
    let beats = Rc::new(Cell::new(0));
    let pulse = Rc::clone(&beats);
    drop(spawn(async move {
        loop {
            sleep_ms(1).await;
            pulse.set(pulse.get() + 1);
        }
    }));
    beats
}

async fn beats_more(beats: &Cell<u32>, count: u32) {
    let until = beats.get() + count;
    while beats.get() < until {
        sleep_ms(1).await;
    }
}

#[test]
fn core_goes_on_while_a_splice_waits_for_its_source() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let beats = pulse();
        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let (mut sink, _taker) = connection(&core.deadlines);
        let seen = Rc::clone(&beats);
        let feeding = spawn(async move {
            for _ in 0..3 {
                beats_more(&seen, 3).await;
                feeder.send_all(vec![0; 10], 0..10).await.0.unwrap();
            }
            feeder
        });
        splice_exact(&pipes, &mut source, &mut sink, 30, STEADY)
            .await
            .unwrap();
        assert!(beats.get() >= 9);
        drop(feeding.await);
    });
}

#[test]
fn core_goes_on_while_a_splice_waits_for_its_sink() {
    const COUNT: usize = 24 << 20;
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let beats = pulse();
        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let (mut sink, mut taker) = stream_pair(&core.deadlines);
        let feeding = spawn(async move { feeder.send_all(pattern(COUNT), 0..COUNT).await.0 });
        let seen = Rc::clone(&beats);
        let taking = spawn(async move {
            beats_more(&seen, 10).await;
            let mut sum = Vec::with_capacity(COUNT);
            while sum.len() < COUNT {
                let (received, filled) = taker.recv_append(sum).await;
                assert_ne!(received.unwrap(), 0);
                sum = filled;
            }
            sum
        });
        let wanted = u64::try_from(COUNT).unwrap();
        splice_exact(&pipes, &mut source, &mut sink, wanted, STEADY)
            .await
            .unwrap();
        assert!(taking.await.unwrap() == pattern(COUNT));
        feeding.await.unwrap().unwrap();
        assert!(beats.get() >= 10);
    });
}

#[test]
fn dropped_transfer_gives_its_pipe_to_nobody() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let (mut source, _feeder) = connection(&core.deadlines);
        let (mut sink, _taker) = connection(&core.deadlines);
        {
            let mut moving = pin!(splice_exact(&pipes, &mut source, &mut sink, 1, STEADY));
            assert!(poll_once(moving.as_mut()).await.is_none());
            assert_eq!((pipes.kept(), pipes.lent()), (0, 1));
        }
        assert_eq!((pipes.kept(), pipes.lent()), (0, 0));
    });
}

#[test]
fn no_more_pipes_than_allowed_are_lent() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let (mut sink, _taker) = connection(&core.deadlines);
        feeder.send_all(b"x".to_vec(), 0..1).await.0.unwrap();
        let mut lent: Vec<_> = (0..PIPES_MAX).map(|_| pipes.lend().unwrap()).collect();
        let error = splice_exact(&pipes, &mut source, &mut sink, 1, STEADY)
            .await
            .unwrap_err();
        assert_eq!(error.moved, 0);
        assert!(matches!(error.fault, SpliceFault::NoPipe));
        lent.pop();
        splice_exact(&pipes, &mut source, &mut sink, 1, STEADY)
            .await
            .unwrap();
    });
}

#[test]
fn what_the_sink_says_ends_a_transfer_that_waits() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        for closes in [false, true] {
            // It waits for the source.
            let (mut source, _feeder) = stream_pair(&core.deadlines);
            let (mut sink, mut taker) = stream_pair(&core.deadlines);
            drop(spawn(async move {
                sleep_ms(1).await;
                if closes {
                    drop(taker);
                } else {
                    taker.send_all(b"no".to_vec(), 0..2).await.0.unwrap();
                    taker.readable().await.unwrap();
                }
            }));
            let told = splice_exact(
                &pipes,
                &mut source,
                &mut sink,
                9,
                Manner::until_told(IDLE_MS),
            )
            .await;
            let error = told.unwrap_err();
            assert!(
                matches!(error.fault, SpliceFault::Broken(RelayFault::SinkSpoke)),
                "{error}"
            );
            assert_eq!(pipes.lent(), 0);
        }
        // It waits for the sink, which reads nothing.
        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let (mut sink, mut taker) = stream_pair(&core.deadlines);
        drop(spawn(async move {
            // Ends when the source is dropped.
            let _ended = feeder.send_all(pattern(64 << 20), 0..64 << 20).await.0;
        }));
        drop(spawn(async move {
            sleep_ms(50).await;
            taker.send_all(b"no".to_vec(), 0..2).await.0.unwrap();
            taker.writable().await.unwrap();
            sleep_ms(IDLE_MS).await;
        }));
        let told = splice_exact(
            &pipes,
            &mut source,
            &mut sink,
            64 << 20,
            Manner::until_told(IDLE_MS),
        )
        .await;
        let error = told.unwrap_err();
        assert!(
            matches!(error.fault, SpliceFault::Broken(RelayFault::SinkSpoke)),
            "{error}"
        );
    });
}

#[test]
fn a_source_that_stalls_can_still_be_told() {
    on_each_driver(async |core| {
        let pipes = PipePool::new();
        let (mut source, mut feeder) = stream_pair(&core.deadlines);
        let (mut sink, _taker) = stream_pair(&core.deadlines);
        let told = splice_exact(&pipes, &mut source, &mut sink, 9, Manner::until_told(1)).await;
        let error = told.unwrap_err();
        assert!(
            matches!(error.fault, SpliceFault::Broken(RelayFault::SourceTimedOut)),
            "{error}"
        );
        source.send_all(b"408".to_vec(), 0..3).await.0.unwrap();
        let (received, seen) = feeder.recv_append(Vec::with_capacity(8)).await;
        assert_eq!((received.unwrap(), seen.as_slice()), (3, &b"408"[..]));
    });
}
