use super::client::{Call, TestStore};
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
