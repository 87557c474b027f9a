//! Request targets, queries and percent coding.

use sluicegate::wire::percent;
use sluicegate::wire::percent::Keep;
use sluicegate::wire::query::Query;
use sluicegate::wire::target;

/// Reads `data` as a target, a query and bytes to code.
pub fn run(data: &[u8]) {
    for keep in [Keep::Unreserved, Keep::UnreservedAndSlash] {
        let mut coded = Vec::new();
        percent::encode_into(&mut coded, data, keep);
        assert!(coded.iter().all(u8::is_ascii_graphic));
        assert_eq!(percent::decode(&coded), data);
    }
    query(data);
    for method in [b"GET".as_slice(), b"OPTIONS"] {
        if let Ok(parts) = target::parse(method, data) {
            assert!(parts.path.starts_with(b"/") || parts.path == b"*" && method == b"OPTIONS");
            assert!(!data.contains(&b'#') && !parts.path.contains(&b'?'));
            let mut joined = parts.path.to_vec();
            if let Some(query) = parts.query {
                joined.push(b'?');
                joined.extend_from_slice(query);
            }
            match parts.authority {
                None => assert_eq!(joined, data),
                Some(authority) => assert!(!authority.is_empty() && !authority.contains(&b'@')),
            }
        }
    }
}

/// Names and values written again are the same names and values.
fn query(data: &[u8]) {
    let read = Query::parse(data);
    let mut written = Vec::new();
    for (name, value) in read.iter() {
        if !written.is_empty() {
            written.push(b'&');
        }
        percent::encode_into(&mut written, name, Keep::Unreserved);
        written.push(b'=');
        percent::encode_into(&mut written, value, Keep::Unreserved);
    }
    assert_eq!(Query::parse(&written), read);
    for (name, _) in read.iter() {
        assert_eq!(read.last(name), read.all(name).last());
    }
}
