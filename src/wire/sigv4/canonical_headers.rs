//! Canonical headers: sorted, lower-case, blanks collapsed (spec 09, "header value").

use std::cmp::Ordering;

/// A name in any case, and a value.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// The positions of headers in the order of their names; repeated names keep the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct HeaderOrder(Vec<usize>);

impl HeaderOrder {
    /// Sorts the positions of `headers`. The other calls take the same `headers`.
    pub(crate) fn sort(&mut self, headers: &[Header<'_>]) {
        self.0.clear();
        self.0.extend(0..headers.len());
        self.0.sort_unstable_by(|&a, &b| {
            match (headers.get(a), headers.get(b)) {
                (Some(one), Some(other)) => compare_names(one.0, other.0),
                _ => Ordering::Equal,
            }
            .then(a.cmp(&b))
        });
    }

    /// Appends `name:value` LF for each name, the values of a repeated name joined with `,`.
    pub(crate) fn write_lines(&self, headers: &[Header<'_>], out: &mut Vec<u8>) {
        let mut previous: Option<&[u8]> = None;
        for (name, value) in self.ordered(headers) {
            match previous {
                Some(previous) if previous.eq_ignore_ascii_case(name) => out.push(b','),
                _ => {
                    if previous.is_some() {
                        out.push(b'\n');
                    }
                    push_lower_case(name, out);
                    out.push(b':');
                }
            }
            push_collapsed(value, out);
            previous = Some(name);
        }
        if previous.is_some() {
            out.push(b'\n');
        }
    }

    /// Appends `a;b;c`: each name once.
    pub(crate) fn write_names(&self, headers: &[Header<'_>], out: &mut Vec<u8>) {
        let mut previous: Option<&[u8]> = None;
        for (name, _) in self.ordered(headers) {
            if previous.is_some_and(|previous| previous.eq_ignore_ascii_case(name)) {
                continue;
            }
            if previous.is_some() {
                out.push(b';');
            }
            push_lower_case(name, out);
            previous = Some(name);
        }
    }

    fn ordered<'h>(&self, headers: &[Header<'h>]) -> impl Iterator<Item = Header<'h>> {
        self.0
            .iter()
            .filter_map(|&position| headers.get(position).copied())
    }
}

/// Orders names without regard to case.
pub(crate) fn compare_names(one: &[u8], other: &[u8]) -> Ordering {
    one.iter()
        .map(u8::to_ascii_lowercase)
        .cmp(other.iter().map(u8::to_ascii_lowercase))
}

fn push_lower_case(name: &[u8], out: &mut Vec<u8>) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
}

/// Outer blanks go, inner runs of spaces become one; an inner tab stays, as AWS's signers leave it.
fn push_collapsed(value: &[u8], out: &mut Vec<u8>) {
    let value = trim_blanks(value);
    if !has_run_of_spaces(value) {
        out.extend_from_slice(value);
        return;
    }
    let mut after_space = false;
    for &byte in value {
        let space = byte == b' ';
        if !(space && after_space) {
            out.push(byte);
        }
        after_space = space;
    }
}

/// Most values hold no space at all.
fn has_run_of_spaces(value: &[u8]) -> bool {
    memchr::memchr(b' ', value).is_some() && value.windows(2).any(|pair| pair == b"  ")
}

/// `value` without the spaces and tabs around it.
pub(crate) fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(headers: &[Header<'_>]) -> (String, String) {
        let mut order = HeaderOrder::default();
        order.sort(headers);
        let (mut lines, mut names) = (Vec::new(), Vec::new());
        order.write_lines(headers, &mut lines);
        order.write_names(headers, &mut names);
        (
            String::from_utf8(lines).unwrap(),
            String::from_utf8(names).unwrap(),
        )
    }

    #[test]
    fn names_are_lower_case_and_sorted() {
        let (lines, names) = canonical(&[(b"X-Amz-Date", b"d"), (b"Host", b"h"), (b"a-b", b"1")]);
        assert_eq!(lines, "a-b:1\nhost:h\nx-amz-date:d\n");
        assert_eq!(names, "a-b;host;x-amz-date");
    }

    #[test]
    fn repeated_names_are_joined_in_the_order_of_arrival() {
        let (lines, names) = canonical(&[(b"B", b"2"), (b"a", b"x"), (b"b", b" 1 ")]);
        assert_eq!(lines, "a:x\nb:2,1\n");
        assert_eq!(names, "a;b");
    }

    #[test]
    fn outer_blanks_go_and_inner_runs_become_one() {
        let (lines, _) = canonical(&[
            (b"a", b" \t one   two \t"),
            (b"b", b"   "),
            (b"c", b"\tx\ty"),
        ]);
        assert_eq!(lines, "a:one two\nb:\nc:x\ty\n");
    }

    #[test]
    fn no_headers_make_no_lines() {
        assert_eq!(canonical(&[]), (String::new(), String::new()));
    }
}
