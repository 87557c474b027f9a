//! What the system says of this process: the `process_*` family that every Prometheus client library has.

use std::fs;

/// Clock ticks a second in `/proc` (`USER_HZ`, proc(5)): 100 on every architecture that this is built for.
const TICKS_PER_SECOND: u64 = 100;
const KIB: u64 = 1_024;

/// The numbers, as far as the system tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Microseconds of CPU time, user and system.
    pub cpu_us: Option<u64>,
    /// Bytes in memory.
    pub resident_bytes: Option<u64>,
    /// Bytes of address space.
    pub virtual_bytes: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// The soft limit of these.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it began, in seconds since the epoch.
    pub start_s: Option<u64>,
}

impl Process {
    /// Reads `/proc/self`.
    #[must_use]
    pub fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let stat = read("/proc/self/stat");
        let status = read("/proc/self/status");
        let boot_s = number_behind(&read("/proc/stat"), "btime ");
        let descriptors = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as u64);
        Self {
            open_fds: descriptors.ok(),
            max_fds: soft_limit(&read("/proc/self/limits"), "Max open files"),
            start_s: boot_s
                .zip(stat_field(&stat, START_TIME))
                .map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND),
            ..Self::of(&stat, &status)
        }
    }

    fn of(stat: &str, status: &str) -> Self {
        let ticks = stat_field(stat, USER_TIME).zip(stat_field(stat, SYSTEM_TIME));
        let in_kib = |name| number_behind(status, name).map(|kib| kib * KIB);
        Self {
            cpu_us: ticks.map(|(user, system)| (user + system) * (1_000_000 / TICKS_PER_SECOND)),
            resident_bytes: in_kib("VmRSS:"),
            virtual_bytes: in_kib("VmSize:"),
            threads: number_behind(status, "Threads:"),
            ..Self::default()
        }
    }
}

/// Positions in `/proc/self/stat` behind the name in parentheses, which may hold anything (proc(5), fields 14, 15, 22).
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const START_TIME: usize = 19;

fn stat_field(stat: &str, position: usize) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(") ")?;
    behind.split(' ').nth(position)?.trim_end().parse().ok()
}

fn number_behind(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    number_behind(limits, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_moves_no_field() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 1000 20\n";
        let status = "Name:\tx\nVmSize:\t  20 kB\nVmRSS:\t 10 kB\nThreads:\t3\n";
        let process = Process::of(stat, status);
        assert_eq!(process.cpu_us, Some(2_000_000));
        assert_eq!(process.resident_bytes, Some(10_240));
        assert_eq!(process.virtual_bytes, Some(20_480));
        assert_eq!(process.threads, Some(3));
        assert_eq!(stat_field(stat, START_TIME), Some(1000));
    }

    #[test]
    fn this_process_is_told_whole() {
        let process = Process::read();
        assert!(process.start_s.is_some_and(|start| start > 1_700_000_000));
        assert!(process.open_fds.is_some_and(|open| open > 2));
        assert!(process.max_fds > process.open_fds);
        assert!(process.resident_bytes.is_some() && process.virtual_bytes.is_some());
        assert!(process.threads.is_some() && process.cpu_us.is_some());
    }
}
