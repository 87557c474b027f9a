use std::cell::RefCell;
use std::rc::Rc;

use crate::net::loopback::connection;
use crate::net::loopback::on_each_driver;

use super::*;

fn tried(choice: DriverChoice, starts: Option<Rung>) -> (Vec<Rung>, Result<Rung, DriverError>) {
    let tried = RefCell::new(Vec::new());
    let taken = climb(choice, |rung| {
        tried.borrow_mut().push(rung);
        if Some(rung) == starts {
            Ok(())
        } else {
            Err(io::ErrorKind::OutOfMemory.into())
        }
    });
    (tried.into_inner(), taken.map(|(rung, ())| rung))
}

#[test]
fn ladder_is_climbed_down_until_a_rung_starts() {
    let small = Rung::Uring {
        entries: 256,
        cooperative: true,
    };
    let (rungs, taken) = tried(DriverChoice::Auto, Some(small));
    assert_eq!((rungs.as_slice(), taken.unwrap()), (&LADDER[..3], small));
    let (rungs, taken) = tried(DriverChoice::Auto, Some(Rung::Epoll));
    assert_eq!(
        (rungs.as_slice(), taken.unwrap()),
        (&LADDER[..], Rung::Epoll)
    );
}

#[test]
fn choice_limits_the_ladder() {
    let (rungs, taken) = tried(DriverChoice::Uring, Some(Rung::Epoll));
    assert_eq!(rungs, &LADDER[..4]);
    let error = taken.unwrap_err();
    assert_eq!(error.rung, LADDER[3]);
    assert_eq!(error.cause.kind(), io::ErrorKind::OutOfMemory);
    let (rungs, taken) = tried(DriverChoice::Epoll, Some(Rung::Epoll));
    assert_eq!(
        (rungs.as_slice(), taken.unwrap()),
        (&[Rung::Epoll][..], Rung::Epoll)
    );
}

#[test]
fn every_rung_runs_timers_and_tasks() {
    for rung in LADDER {
        let mut runtime = match build(rung) {
            Ok(runtime) => runtime,
            // An unprivileged user's memlock limit may be too small for the larger rings.
            Err(error)
                if matches!(
                    rung,
                    Rung::Uring {
                        entries: 1024..,
                        ..
                    }
                ) =>
            {
                assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{rung}");
                continue;
            }
            Err(error) => panic!("{rung}: {error}"),
        };
        let seen = runtime.block_on(async {
            let task = spawn(async {
                sleep_ms(1).await;
                7
            });
            task.await
        });
        assert_eq!(seen, Ok(7), "{rung}");
    }
}

#[test]
fn rung_is_named_for_people() {
    let names = LADDER.map(|rung| rung.to_string());
    assert_eq!(names[0], "io_uring (4096 entries, cooperative)");
    assert_eq!(names[3..], ["io_uring (256 entries)", "epoll"]);
    let error = DriverError {
        rung: LADDER[3],
        cause: io::ErrorKind::OutOfMemory.into(),
    };
    let text = error.to_string();
    assert!(
        text.starts_with("I/O driver io_uring (256 entries) does not start: "),
        "{text}"
    );
}

#[test]
fn panicking_task_ends_alone() {
    on_each_driver(async |_| {
        let neighbour = spawn(async {
            sleep_ms(5).await;
            "alive"
        });
        let panicking = spawn(async {
            sleep_ms(1).await;
            if true {
                panic!("as the test wants");
            }
        });
        assert_eq!(panicking.await, Err(Panicked));
        assert_eq!(neighbour.await, Ok("alive"));
    });
}

#[test]
fn yield_lets_ready_tasks_run_first() {
    on_each_driver(async |_| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&order);
        let yielding = spawn(async move {
            log.borrow_mut().push("yielding");
            yield_now().await;
            log.borrow_mut().push("again");
        });
        let log = Rc::clone(&order);
        drop(spawn(async move { log.borrow_mut().push("other") }));
        yielding.await.unwrap();
        assert_eq!(*order.borrow(), ["yielding", "other", "again"]);
    });
}

#[test]
fn timers_run_beside_a_task_that_only_yields() {
    on_each_driver(async |_| {
        let rang = Rc::new(Cell::new(false));
        let bell = Rc::clone(&rang);
        drop(spawn(async move {
            sleep_ms(3).await;
            bell.set(true);
        }));
        while !rang.get() {
            yield_now().await;
        }
    });
}

#[test]
fn core_ends_after_its_connections() {
    for choice in [DriverChoice::Uring, DriverChoice::Epoll] {
        let ended = Rc::new(Cell::new(false));
        let flag = Rc::clone(&ended);
        let peer = run_core(choice, async |core| {
            let (mut stream, peer) = connection(&core.deadlines);
            drop(spawn(async move {
                let (received, _) = stream.recv_append(Vec::with_capacity(16)).await;
                flag.set(received.is_err());
            }));
            yield_now().await;
            peer
        });
        assert!(ended.get(), "{choice:?}");
        drop(peer);
    }
}
