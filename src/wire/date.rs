//! The dates of HTTP and SigV4, written from a given time.

use std::fmt::Write as _;
use std::ops::Range;

const DAY_SECONDS: u64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment in UTC, in whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

/// The parts of a moment in the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Four digits until the year 9999.
    pub year: u64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 is Thursday, the first day of the epoch.
    weekday: u8,
}

impl UnixSeconds {
    /// Days since the epoch: the signing key changes with it.
    #[must_use]
    pub const fn day(self) -> u64 {
        self.0 / DAY_SECONDS
    }

    /// Breaks the moment into calendar parts (the "civil from days" method over 400-year eras).
    #[must_use]
    pub fn civil(self) -> Civil {
        let days = self.0 / DAY_SECONDS;
        let second_of_day = self.0 % DAY_SECONDS;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Civil {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month: small(month),
            day: small(day_of_year - (153 * shifted_month + 2) / 5 + 1),
            hour: small(second_of_day / 3_600),
            minute: small(second_of_day / 60 % 60),
            second: small(second_of_day % 60),
            weekday: small(days % 7),
        }
    }

    /// `20130524T000000Z`: the value of `x-amz-date`, without an allocation.
    /// Years beyond 9999 lose their first digits.
    #[must_use]
    pub fn amz_date_bytes(self) -> [u8; 16] {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self.civil();
        let [y1, y2] = two_digits(small(year / 100 % 100));
        let [y3, y4] = two_digits(small(year % 100));
        let [mo1, mo2] = two_digits(month);
        let [d1, d2] = two_digits(day);
        let [h1, h2] = two_digits(hour);
        let [m1, m2] = two_digits(minute);
        let [s1, s2] = two_digits(second);
        [
            y1, y2, y3, y4, mo1, mo2, d1, d2, b'T', h1, h2, m1, m2, s1, s2, b'Z',
        ]
    }

    /// [`Self::amz_date_bytes`] as a new string.
    #[must_use]
    pub fn amz_date(self) -> String {
        self.amz_date_bytes()
            .iter()
            .copied()
            .map(char::from)
            .collect()
    }

    /// `2013-05-24T00:00:00Z` (ISO 8601, extended form).
    #[must_use]
    pub fn iso_date(self) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self.civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `20130524`: the date of a credential scope, without an allocation.
    /// Years beyond 9999 lose their first digits.
    #[must_use]
    pub fn scope_date_bytes(self) -> [u8; 8] {
        let [date @ .., _, _, _, _, _, _, _, _] = self.amz_date_bytes();
        date
    }

    /// [`Self::scope_date_bytes`] as a new string.
    #[must_use]
    pub fn scope_date(self) -> String {
        let date = self.scope_date_bytes();
        date.iter().copied().map(char::from).collect()
    }

    /// `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110 §5.6.7, IMF-fixdate), appended to `out`.
    pub fn write_http_date(self, out: &mut String) {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            weekday,
        } = self.civil();
        let weekday = WEEKDAYS.get(usize::from(weekday)).copied().unwrap_or("Thu");
        let month = MONTHS.get(usize::from(month) - 1).copied().unwrap_or("Jan");
        let written = write!(
            out,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    /// [`Self::write_http_date`] as a new string.
    #[must_use]
    pub fn http_date(self) -> String {
        let mut out = String::with_capacity(29);
        self.write_http_date(&mut out);
        out
    }
}

/// Calendar parts are all below 256.
fn small(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// The decimal digits of a value below 100.
const fn two_digits(value: u8) -> [u8; 2] {
    [b'0' + value / 10, b'0' + value % 10]
}

/// Reads `Fri, 24 May 2013 00:00:00 GMT` (IMF-fixdate, RFC 9110 §5.6.7); `None` for anything else,
/// the obsolete forms and a wrong weekday included.
#[must_use]
pub fn parse_http_date(text: &[u8]) -> Option<UnixSeconds> {
    let part = |range: Range<usize>| text.get(range);
    let month = MONTHS
        .iter()
        .position(|name| Some(name.as_bytes()) == part(8..11))?
        + 1;
    let month = two_digits(u8::try_from(month).ok()?);
    let (year, day) = (part(12..16)?, part(5..7)?);
    let (hour, minute, second) = (part(17..19)?, part(20..22)?, part(23..25)?);
    let amz_date = [year, &month, day, b"T", hour, minute, second, b"Z"].concat();
    let moment = parse_amz_date(&amz_date)?;
    // Only what reads back the same was one: this checks the weekday and every separator.
    (moment.http_date().as_bytes() == text).then_some(moment)
}

/// Reads `2013-05-24T00:00:00Z`, or `2013-05-24` as its midnight; `None` for anything else.
#[must_use]
pub fn parse_iso_date(text: &[u8]) -> Option<UnixSeconds> {
    let midnight;
    let text = if text.len() == 10 {
        midnight = [text, b"T00:00:00Z"].concat();
        &midnight
    } else {
        text
    };
    let digits: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'-' | b':'))
        .collect();
    let moment = parse_amz_date(&digits)?;
    // Only what reads back the same was one: this checks every separator.
    (moment.iso_date().as_bytes() == text).then_some(moment)
}

/// Reads `20130524T000000Z`; `None` for anything else.
#[must_use]
pub fn parse_amz_date(text: &[u8]) -> Option<UnixSeconds> {
    let text: &[u8; 16] = text.try_into().ok()?;
    let [y @ .., b'T', h1, h2, m1, m2, s1, s2, b'Z'] = text else {
        return None;
    };
    let [y1, y2, y3, y4, mo1, mo2, d1, d2] = *y;
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0u64, |n, &d| {
            d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0'))
        })
    };
    let (year, month, day) = (
        number(&[y1, y2, y3, y4])?,
        number(&[mo1, mo2])?,
        number(&[d1, d2])?,
    );
    let (hour, minute, second) = (
        number(&[*h1, *h2])?,
        number(&[*m1, *m2])?,
        number(&[*s1, *s2])?,
    );
    if year < 1970
        || !(1..=12).contains(&month)
        || day == 0
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year / 400;
    let year_of_era = shifted_year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let moment = UnixSeconds(days * DAY_SECONDS + hour * 3_600 + minute * 60 + second);
    // 31 February would come out as a day in March: only a date that reads back the same is one.
    let civil = moment.civil();
    (u64::from(civil.day) == day && u64::from(civil.month) == month).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_aws_examples() {
        let moment = UnixSeconds(1_369_353_600);
        assert_eq!(moment.amz_date(), "20130524T000000Z");
        assert_eq!(moment.scope_date(), "20130524");
        assert_eq!(moment.http_date(), "Fri, 24 May 2013 00:00:00 GMT");
    }

    #[test]
    fn leap_days_and_year_ends() {
        assert_eq!(UnixSeconds(0).http_date(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(UnixSeconds(951_782_400).scope_date(), "20000229");
        assert_eq!(UnixSeconds(1_767_225_599).amz_date(), "20251231T235959Z");
    }

    #[test]
    fn amz_dates_read_back() {
        for seconds in [0, 951_782_400, 1_369_353_600, 1_767_225_599, 4_102_444_800] {
            let moment = UnixSeconds(seconds);
            assert_eq!(parse_amz_date(moment.amz_date().as_bytes()), Some(moment));
        }
    }

    #[test]
    fn http_dates_read_back_and_near_misses_are_refused() {
        for seconds in [0, 951_782_400, 1_369_353_600, 1_767_225_599] {
            let moment = UnixSeconds(seconds);
            assert_eq!(parse_http_date(moment.http_date().as_bytes()), Some(moment));
        }
        for text in [
            "",
            "Fri, 24 May 2013 00:00:00 UTC",
            "Thu, 24 May 2013 00:00:00 GMT",
            "Fri, 24 may 2013 00:00:00 GMT",
            "Fri, 24 May 2013 00:00:00 GMT ",
            "Friday, 24-May-13 00:00:00 GMT",
            "Fri, 24 May 2013 00-00-00 GMT",
        ] {
            assert_eq!(parse_http_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn iso_dates_read_back_and_near_misses_are_refused() {
        for seconds in [0, 951_782_400, 1_369_353_600, 1_767_225_599] {
            let moment = UnixSeconds(seconds);
            assert_eq!(parse_iso_date(moment.iso_date().as_bytes()), Some(moment));
        }
        assert_eq!(
            parse_iso_date(b"2013-05-24"),
            Some(UnixSeconds(1_369_353_600))
        );
        for text in [
            "",
            "20130524",
            "2013-05-24T00:00:00",
            "2013-05-24T00:00:00+00:00",
            "2013-05-24T00:00Z",
            "20130524T000000Z",
            "2013-05-24 00:00:00Z",
            "2013-5-024T00:00:00Z",
            "2013-02-30",
        ] {
            assert_eq!(parse_iso_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in [
            "",
            "20130524T000000",
            "20130231T000000Z",
            "20131301T000000Z",
            "2013052+T000000Z",
            "20130524T240000Z",
            "20130524t000000Z",
        ] {
            assert_eq!(parse_amz_date(text.as_bytes()), None, "{text}");
        }
    }
}
