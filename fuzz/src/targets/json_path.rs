//! JSONPath over any JSON: bounded, and always the same.

use serde_json::Value;
use sluicegate::vtl::bounded_json;
use sluicegate::vtl::json_path::JsonPath;

/// More than a search may touch.
const TOUCHED_VALUES_MAX: usize = 8 * 1024 * 1024;

/// The first line is the path, the rest the JSON.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (path, json) = text.split_once('\n').unwrap_or((text, "{}"));
    let parsed = JsonPath::parse(path);
    if let Err(error) = &parsed {
        assert!(!format!("{error:?}").is_empty());
    }
    if !path.trim_start().starts_with(['$', '@', '.', '['])
        && !path.is_empty()
        && path.trim() == path
    {
        assert_eq!(
            JsonPath::parse(&format!("$.{path}")).is_ok(),
            parsed.is_ok(),
            "{path:?}"
        );
    }
    let (Ok(path), Some(root)) = (parsed, bounded_json::parse(json)) else {
        return;
    };
    let (found, touched) = path.find_counted(&root);
    assert!(touched <= TOUCHED_VALUES_MAX);
    assert_eq!(found, path.find(&root));
    if let Some(Value::Array(matches)) = found.as_deref() {
        assert!(matches.len() <= TOUCHED_VALUES_MAX);
    }
}
