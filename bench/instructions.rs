//! The hot parts for callgrind, which counts the instructions of [`counted`]: see `bench/instructions`, which runs this.
//!
//! Prints the names of the parts, in the order in which they are counted.

mod parts;

use std::hint::black_box;
use std::io::Write;

use parts::Measure;

/// Calls before those that count: storage has grown and caches are filled by then.
const CALLS_BEFORE: usize = 3;
/// Calls that count; `bench/instructions` divides by it.
const CALLS: usize = 10;

fn main() {
    parts::measure_all(&mut Count);
}

struct Count;

impl Measure for Count {
    fn part<T>(&mut self, name: &str, _bytes: usize, mut part: impl FnMut() -> T) {
        for _ in 0..CALLS_BEFORE {
            black_box(part());
        }
        counted(&mut || {
            black_box(part());
        });
        // ignored: a reader that has left needs no names
        let _ignored = writeln!(std::io::stdout(), "{name}");
    }
}

/// The only function whose instructions, and those of all that it calls, are collected.
#[inline(never)]
fn counted(part: &mut dyn FnMut()) {
    for _ in 0..CALLS {
        part();
    }
}
