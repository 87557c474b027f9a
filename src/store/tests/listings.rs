use super::client::{Answer, Call, TestStore};
use crate::store::listing::url_encoded;

fn list(store: &TestStore, query: &str) -> Answer {
    store.send(Call::new("GET", "/photos").query(query)).ok()
}

fn with_keys(keys: &[&str]) -> TestStore {
    let store = TestStore::with_bucket();
    for key in keys {
        store.put(key, b"1").ok();
    }
    store
}

/// Follows continuation tokens: keys and common prefixes in the order of arrival, and the number of pages.
fn all_pages(store: &TestStore, query: &str) -> (Vec<String>, Vec<String>, usize) {
    let (mut keys, mut prefixes, mut pages) = (Vec::new(), Vec::new(), 0);
    let mut token = String::new();
    loop {
        let page = list(store, &format!("{query}{token}"));
        keys.extend(page.all("Key"));
        prefixes.extend(page.all("Prefix").into_iter().skip(1));
        pages += 1;
        if page.one("IsTruncated") == "false" {
            return (keys, prefixes, pages);
        }
        token = format!("&continuation-token={}", page.one("NextContinuationToken"));
    }
}

#[test]
fn two_and_a_half_thousand_keys_come_in_three_pages() {
    let store = TestStore::with_bucket();
    std::thread::scope(|scope| {
        for worker in 0..10 {
            let store = &store;
            scope.spawn(move || {
                for n in (worker..2500).step_by(10) {
                    store.put(&format!("d{}/{n:04}", n % 4), b"1").ok();
                }
            });
        }
    });
    let mut expected: Vec<String> = (0..2500).map(|n| format!("d{}/{n:04}", n % 4)).collect();
    expected.sort();
    let (keys, _, pages) = all_pages(&store, "list-type=2");
    assert_eq!(keys, expected);
    assert_eq!(pages, 3);
    let (keys, prefixes, pages) = all_pages(&store, "delimiter=%2F&list-type=2&max-keys=1");
    assert!(keys.is_empty());
    assert_eq!(prefixes, ["d0/", "d1/", "d2/", "d3/"]);
    assert_eq!(pages, 4);

    let first = list(&store, "");
    assert_eq!(first.all("Key"), expected[..1000]);
    let marker = url_encoded(&expected[999]);
    let second = list(&store, &format!("marker={marker}"));
    assert_eq!(second.all("Key"), expected[1000..2000]);
}

#[test]
fn keys_behind_the_delimiter_become_one_common_prefix() {
    let store = with_keys(&["a", "b/1", "b/2", "b/c/3", "c", "d/", "b0"]);
    let page = list(&store, "delimiter=%2F&list-type=2");
    assert_eq!(page.all("Key"), ["a", "b0", "c"]);
    assert_eq!(page.all("Prefix")[1..], ["b/", "d/"]);
    assert_eq!(page.one("KeyCount"), "5");
    let below = list(&store, "delimiter=%2F&list-type=2&prefix=b%2F");
    assert_eq!(below.all("Key"), ["b/1", "b/2"]);
    assert_eq!(below.all("Prefix")[1..], ["b/c/"]);
    for page_length in 1..=5 {
        let (keys, prefixes, _) = all_pages(
            &store,
            &format!("delimiter=%2F&list-type=2&max-keys={page_length}"),
        );
        assert_eq!(keys, ["a", "b0", "c"], "{page_length} a page");
        assert_eq!(prefixes, ["b/", "d/"], "{page_length} a page");
    }
}

#[test]
fn a_listing_begins_behind_start_after_or_marker() {
    let store = with_keys(&["a", "b", "c"]);
    assert_eq!(
        list(&store, "list-type=2&start-after=a").all("Key"),
        ["b", "c"]
    );
    assert_eq!(
        list(&store, "list-type=2&start-after=aa").all("Key"),
        ["b", "c"]
    );
    assert_eq!(list(&store, "marker=b").all("Key"), ["c"]);
    assert!(list(&store, "marker=c").all("Key").is_empty());
}

#[test]
fn version_one_goes_on_from_its_next_marker() {
    let store = with_keys(&["a/1", "a/2", "b/1", "c"]);
    let first = list(&store, "delimiter=%2F&max-keys=1");
    assert_eq!(first.one("NextMarker"), "a/");
    let second = list(&store, "delimiter=%2F&max-keys=1&marker=a%2F");
    assert_eq!(second.all("Prefix")[1..], ["b/"]);
    let third = list(&store, "delimiter=%2F&max-keys=1&marker=b%2F");
    assert_eq!(third.all("Key"), ["c"]);
    assert_eq!(third.one("IsTruncated"), "false");
}

#[test]
fn max_keys_is_a_count() {
    let store = with_keys(&["a", "b"]);
    let none = list(&store, "list-type=2&max-keys=0");
    assert_eq!(
        (none.one("KeyCount"), none.one("IsTruncated")),
        ("0".to_owned(), "false".to_owned())
    );
    let full = list(&store, "list-type=2&max-keys=2");
    assert_eq!(full.one("IsTruncated"), "false");
    let negative = store.send(Call::new("GET", "/photos?list-type=2&max-keys=-1"));
    assert_eq!(negative.error(), (400, "InvalidArgument".to_owned()));
    let token = store.send(Call::new(
        "GET",
        "/photos?list-type=2&continuation-token=zz",
    ));
    assert_eq!(token.error(), (400, "InvalidArgument".to_owned()));
}

#[test]
fn url_encoding_covers_all_texts_of_a_listing() {
    let store = with_keys(&["a b+/1", "a b+/2 ü"]);
    let page = list(&store, "encoding-type=url&list-type=2&prefix=a%20b%2B%2F");
    assert_eq!(page.all("Key"), ["a%20b%2B/1", "a%20b%2B/2%20%C3%BC"]);
    assert_eq!(page.one("Prefix"), "a%20b%2B/");
    let rolled = list(&store, "delimiter=%2B&encoding-type=url&list-type=2");
    assert_eq!(rolled.one("Delimiter"), "%2B");
    assert_eq!(rolled.all("Prefix")[1..], ["a%20b%2B"]);
}

#[test]
fn buckets_do_not_see_each_others_keys() {
    let store = with_keys(&["a", "z"]);
    for bucket in ["/photor", "/photos2"] {
        store.send(Call::new("PUT", bucket)).ok();
        store
            .send(Call::new("PUT", &format!("{bucket}/other")).body(b"1"))
            .ok();
    }
    assert_eq!(list(&store, "list-type=2").all("Key"), ["a", "z"]);
}
