use super::client::{Answer, Call, TestStore};
use crate::store::listing::url_encoded;

/// Keys that a path, an XML document or a query string would trip over, in the order of their bytes.
const ODD_KEYS: [&str; 22] = [
    " ",
    "%2F",
    "&<>\"'",
    ".",
    "..",
    "../../photos",
    "./x",
    "//",
    "a/../b",
    "a//b",
    "a/b/",
    "a=b;c,d:e@f$g",
    "pl+us",
    "q",
    "q/r",
    "sp ace",
    "tail/",
    "~!*()",
    "ünï",
    "日本/語",
    "\u{e000}",
    "😀",
];

#[test]
fn keys_are_text_and_never_paths() {
    let store = TestStore::with_bucket();
    for key in ODD_KEYS {
        // Beyond the inline limit, so that files are made.
        let bytes = key.repeat(8192 / key.len());
        store.put(key, bytes.as_bytes()).ok();
    }
    for key in ODD_KEYS {
        let answer = store.get(key).ok();
        assert_eq!(answer.text(), key.repeat(8192 / key.len()), "{key}");
    }
    let mut inside: Vec<String> = std::fs::read_dir(store.data.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    inside.sort();
    assert_eq!(inside, ["index.redb", "objects"]);

    let listing = store
        .send(Call::new("GET", "/photos?list-type=2&encoding-type=url"))
        .ok();
    assert_eq!(listing.one("EncodingType"), "url");
    assert_eq!(listing.all("Key"), ODD_KEYS.map(url_encoded));
    for key in ODD_KEYS {
        store.send(Call::object("DELETE", key)).ok();
        assert_eq!(store.get(key).status, 404, "{key}");
    }
    store.send(Call::new("DELETE", "/photos")).ok();
}

#[test]
fn a_key_has_at_most_1024_bytes() {
    let store = TestStore::with_bucket();
    store.put(&"k".repeat(1024), b"1").ok();
    assert_eq!(
        store.put(&"k".repeat(1025), b"1").error(),
        (400, "KeyTooLongError".to_owned())
    );
}

#[test]
fn a_plain_listing_escapes_for_xml_alone() {
    let store = TestStore::with_bucket();
    store.put("a+b & c", b"1").ok();
    let listing = store.send(Call::new("GET", "/photos")).ok();
    assert_eq!(listing.all("Key"), ["a+b &amp; c"]);
}

/// Keys that XML 1.0 cannot carry, and how a plain listing writes them.
const CONTROL_KEYS: [(&str, &str); 3] = [
    ("\u{1}", "\u{fffd}"),
    ("a\u{1f}b", "a\u{fffd}b"),
    ("a\u{fffe}", "a\u{fffd}"),
];

#[test]
fn a_plain_listing_is_well_formed_whatever_the_keys() {
    let store = TestStore::with_bucket();
    for (key, _) in CONTROL_KEYS {
        store.put(key, b"1").ok();
    }
    store.put("b\rc", b"1").ok();
    for query in ["", "list-type=2"] {
        let listing = store.send(Call::new("GET", "/photos").query(query)).ok();
        let written = CONTROL_KEYS.map(|(_, written)| written);
        assert_eq!(listing.all("Key"), [&written[..], &["b&#13;c"]].concat());
    }
    let encoded = store
        .send(Call::new("GET", "/photos?encoding-type=url"))
        .ok();
    assert_eq!(encoded.all("Key"), ["%01", "a%1Fb", "a%EF%BF%BE", "b%0Dc"]);
}

fn delete_objects(store: &TestStore, keys: &[&str]) -> Answer {
    let objects: String = keys
        .iter()
        .map(|key| format!("<Object><Key>{key}</Key></Object>"))
        .collect();
    let call = Call::new("POST", "/photos?delete=")
        .body(format!("<Delete>{objects}</Delete>").as_bytes())
        .header("x-amz-sdk-checksum-algorithm", "CRC32");
    store.send(call)
}

#[test]
fn deleting_keys_that_xml_cannot_carry_is_refused_as_a_whole() {
    let store = TestStore::with_bucket();
    store.put("before", b"1").ok();
    for (key, _) in CONTROL_KEYS {
        store.put(key, b"1").ok();
        assert_eq!(
            delete_objects(&store, &["before", key]).error(),
            (400, "MalformedXML".to_owned()),
            "{key:?}"
        );
        assert_eq!(store.get(key).status, 200, "{key:?}");
    }
    assert_eq!(store.get("before").status, 200);
}

#[test]
fn a_carriage_return_in_a_key_outlives_the_round_trip() {
    let store = TestStore::with_bucket();
    for reference in ["&#13;", "&#xD;"] {
        store.put("a\rb", b"1").ok();
        let deleted = delete_objects(&store, &[&format!("a{reference}b")]).ok();
        assert_eq!(deleted.all("Key"), ["a&#13;b"]);
        assert_eq!(store.get("a\rb").status, 404);
    }
}
