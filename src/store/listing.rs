//! One page of a listing: prefix, delimiter, where to go on, and S3's rules for rolling keys up into common prefixes.

use crate::store::blobs::hex;
use crate::store::fault::IndexFault;
use crate::store::index::View;
use crate::store::index::record::ObjectRecord;

/// S3's limit on the entries of a page.
pub(crate) const PAGE_LENGTH_MAX: usize = 1000;

/// Where a page goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum After {
    /// Behind this key.
    Key(String),
    /// Behind all keys that begin so.
    Prefix(String),
}

impl After {
    /// What a client's marker or start-after means: one that is itself a common prefix stands for all its keys.
    pub(crate) fn of_marker(marker: &str, prefix: &str, delimiter: Option<&str>) -> Self {
        if common_prefix(marker, prefix, delimiter) == Some(marker) {
            Self::Prefix(marker.to_owned())
        } else {
            Self::Key(marker.to_owned())
        }
    }

    /// The key or prefix itself: version 1's marker.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }

    /// An opaque text for a continuation token: hex, so that no client needs to escape it.
    pub(crate) fn to_token(&self) -> String {
        let (kind, text) = match self {
            Self::Key(key) => ("k", key),
            Self::Prefix(prefix) => ("p", prefix),
        };
        format!("{kind}{}", hex(text.as_bytes()))
    }

    /// Reads what [`After::to_token`] wrote; `None` for anything else.
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let (kind, digits) = token.split_at_checked(1)?;
        let text = String::from_utf8(unhex(digits)?).ok()?;
        match kind {
            "k" => Some(Self::Key(text)),
            "p" => Some(Self::Prefix(text)),
            _ => None,
        }
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    pairs
        .iter()
        .map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?))
        .collect()
}

/// What is to be listed.
#[derive(Clone, Debug)]
pub(crate) struct Query<'q> {
    pub(crate) bucket: &'q str,
    pub(crate) prefix: &'q str,
    /// Never empty.
    pub(crate) delimiter: Option<&'q str>,
    pub(crate) after: Option<After>,
    /// Objects and common prefixes together.
    pub(crate) length_max: usize,
}

/// A page: both lists in key order.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<(String, ObjectRecord)>,
    pub(crate) common_prefixes: Vec<String>,
    /// Where the next page begins; `None` on the last page.
    pub(crate) next: Option<After>,
}

impl Page {
    fn len(&self) -> usize {
        self.objects.len() + self.common_prefixes.len()
    }
}

/// Reads one page. The keys under a common prefix are jumped over, not read.
pub(crate) fn page(view: &View, query: &Query<'_>) -> Result<Page, IndexFault> {
    let mut page = Page::default();
    let mut last = None;
    let mut from = first_position(query);
    'jump: while let Some(position) = from.take() {
        for entry in view.objects_from(query.bucket, &position)? {
            let (key, record) = entry?;
            if !key.starts_with(query.prefix) {
                break;
            }
            if page.len() == query.length_max {
                page.next.clone_from(&last);
                break;
            }
            let Some(common) = common_prefix(&key, query.prefix, query.delimiter) else {
                last = Some(After::Key(key.clone()));
                page.objects.push((key, record));
                continue;
            };
            page.common_prefixes.push(common.to_owned());
            last = Some(After::Prefix(common.to_owned()));
            from = successor(common);
            continue 'jump;
        }
    }
    Ok(page)
}

/// The part of `key` up to and with the first delimiter behind the prefix.
pub(crate) fn common_prefix<'k>(
    key: &'k str,
    prefix: &str,
    delimiter: Option<&str>,
) -> Option<&'k str> {
    let delimiter = delimiter?;
    let rest = key.strip_prefix(prefix)?;
    let length = prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..length)
}

/// The lowest key that the page may hold; `None` if there can be none.
fn first_position(query: &Query<'_>) -> Option<String> {
    let behind = match &query.after {
        None => String::new(),
        Some(After::Key(key)) => format!("{key}\0"),
        Some(After::Prefix(prefix)) => successor(prefix)?,
    };
    Some(behind.max(query.prefix.to_owned()))
}

/// The lowest string above all that begin with `prefix`. UTF-8 bytes sort as code points do.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// Percent-encodes all but unreserved characters and `/`, for `encoding-type=url`. A space is `%20` and a plus `%2B`,
/// so that clients that take `+` for a space and clients that do not read the same.
pub(crate) fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_were() {
        for after in [
            After::Key("a/ü +%".to_owned()),
            After::Prefix("p/".to_owned()),
            After::Key(String::new()),
        ] {
            assert_eq!(After::from_token(&after.to_token()), Some(after));
        }
        for no_token in ["", "x61", "k6", "kzz", "kff", "ü"] {
            assert_eq!(After::from_token(no_token), None, "{no_token}");
        }
    }

    #[test]
    fn successor_is_above_all_that_begin_so() {
        assert_eq!(successor("a/").as_deref(), Some("a0"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }

    #[test]
    fn the_common_prefix_ends_with_the_first_delimiter_behind_the_prefix() {
        assert_eq!(common_prefix("a/b/c", "", Some("/")), Some("a/"));
        assert_eq!(common_prefix("a/b/c", "a/", Some("/")), Some("a/b/"));
        assert_eq!(common_prefix("a/b", "a/", Some("/")), None);
        assert_eq!(common_prefix("a/b", "", None), None);
        assert_eq!(common_prefix("a--b", "", Some("--")), Some("a--"));
    }

    #[test]
    fn url_encoding_leaves_unreserved_characters_and_slashes() {
        assert_eq!(url_encoded("a/b-_.~Z9"), "a/b-_.~Z9");
        assert_eq!(url_encoded("+ %ü\n"), "%2B%20%25%C3%BC%0A");
    }
}
