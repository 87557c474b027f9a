//! The store's own clock: the only file of this floor that reads the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{Timestamp, TimestampFormat};

/// The time that a record is stamped with.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(system_time())
}

/// Milliseconds since 1970: orders upload ids by the time of their start.
pub(crate) fn unix_ms() -> u128 {
    system_time()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_millis()
}

/// `time` without its fraction of a second: HTTP dates carry none (RFC 9110 §5.6.7).
pub(crate) fn to_second(time: &Timestamp) -> Timestamp {
    let mut text = Vec::new();
    if time.format(TimestampFormat::HttpDate, &mut text).is_err() {
        return time.clone();
    }
    std::str::from_utf8(&text)
        .ok()
        .and_then(|date| Timestamp::parse(TimestampFormat::HttpDate, date).ok())
        .unwrap_or_else(|| time.clone())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this floor uses nothing of ours, so it cannot ask net/clock.rs"
)]
fn system_time() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_a_second_are_cut() {
        let time = Timestamp::from(UNIX_EPOCH + Duration::from_millis(1_369_353_600_999));
        let second = Timestamp::from(UNIX_EPOCH + Duration::from_secs(1_369_353_600));
        assert_eq!(to_second(&time), second);
        assert_eq!(to_second(&second), second);
    }
}
