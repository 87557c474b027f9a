use super::client::{Call, TestStore};

const SAMPLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/config/demo.openapi.yaml"
));

/// Method and query of every sub-resource that the sample's integrations name.
fn sub_resources() -> Vec<(&'static str, &'static str)> {
    let mut method = "";
    let mut found = Vec::new();
    for line in SAMPLE.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("httpMethod: ") {
            method = name;
        } else if line.starts_with("uri: ")
            && let Some((_, query)) = line.trim_end_matches('\'').split_once('?')
        {
            found.push((method, query));
        }
    }
    found
}

#[test]
fn the_store_knows_every_sub_resource_of_the_sample() {
    let store = TestStore::with_bucket();
    let sub_resources = sub_resources();
    assert!(!sub_resources.is_empty());
    for (method, query) in sub_resources {
        let answer = store.send(Call::object(method, "a").query(query));
        assert_ne!(answer.status, 501, "{method} ?{query}");
    }
}
