//! What is shipped for Grafana and Prometheus names metrics and labels that the program has.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::object_api::object_api;
use crate::support::program::Running;
use crate::support::program::sluicegate;

/// Labels that Prometheus and these files themselves give.
const OF_PROMETHEUS: [&str; 4] = ["job", "instance", "le", "class"];

/// The metrics of a program that has everything that has some.
fn metrics() -> String {
    let store = Backend::answering(|_| response(200, &[], b"stored"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(at("chain.pem"), made.cert.pem()).unwrap();
    fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(at("api.json"), object_api().to_string()).unwrap();
    let otlp = if cfg!(feature = "otlp") {
        format!("otlp_endpoint = '{}'", store.url())
    } else {
        String::new()
    };
    let config = format!(
        "[server]\nlisten = ['127.0.0.1:0']\nadmin = '127.0.0.1:0'\naccess_log = 'json'\naccess_log_file = 'log'\n{otlp}\n\
         [s3]\nendpoint = '{}'\naccess_key_id = 'A'\nsecret_access_key = 'S'\n[[api]]\nfile = 'api.json'\n\
         [[tls]]\nlisten = '127.0.0.1:0'\ncertificate = 'chain.pem'\nprivate_key = 'key.pem'\n",
        store.url()
    );
    fs::write(at("s.toml"), config).unwrap();
    let config = at("s.toml");
    let mut command = sluicegate(&["serve", "--config", config.to_str().unwrap()]);
    command.env_remove("SLUICEGATE_ADMIN");
    let mut running = Running::start(&mut command);
    let data = running.address();
    let admin = running.lines_until("dashboard at ").pop().unwrap();
    let admin = admin.split("http://").nth(1).unwrap();
    let admin = admin.trim_end_matches('/').parse().unwrap();
    assert_eq!(fetch(data, "GET", "/o/b/k", &[], b"").status(), 200);
    loop {
        let mut client = Client::connect(admin);
        let page = client.exchange("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let text = String::from_utf8(page.body).unwrap();
        if text.contains("status=\"200\"} 1\n") {
            return text;
        }
        std::thread::yield_now();
    }
}

/// Names of samples and of labels.
fn names_of(metrics: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut names = BTreeSet::new();
    let mut labels = BTreeSet::new();
    for line in metrics.lines() {
        // A family may have no sample yet.
        if let Some(family) = line.strip_prefix("# TYPE ") {
            names.insert(family.split(' ').next().unwrap().to_owned());
            continue;
        }
        let sample = line.split(['{', ' ']).next().unwrap();
        names.insert(sample.to_owned());
        let pairs = line.split(['{', ',']).skip(1);
        labels.extend(
            pairs
                .filter_map(|pair| pair.split_once("=\""))
                .map(|(name, _)| name.to_owned()),
        );
    }
    (names, labels)
}

/// All texts of a JSON value.
fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, out)),
        Value::Object(members) => members.values().for_each(|value| texts(value, out)),
        _ => {}
    }
}

/// Words of letters, digits and `_`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// The labels that an expression selects or sums by.
fn labels_in(expression: &str) -> Vec<&str> {
    let mut labels = Vec::new();
    for (at, _) in expression
        .match_indices("=\"")
        .chain(expression.match_indices("=~\""))
        .chain(expression.match_indices("!=\""))
    {
        let before = expression[..at].trim_end_matches('!');
        labels.extend(words(before).last());
    }
    for part in expression.split("by (").skip(1) {
        labels.extend(words(part.split(')').next().unwrap()).filter(|word| !word.is_empty()));
    }
    labels
}

fn check(file: &str, expressions: &[String], known: &(BTreeSet<String>, BTreeSet<String>)) {
    let mut seen = 0;
    for expression in expressions {
        for word in words(expression) {
            let is_metric = word.starts_with("sluicegate_") || word.starts_with("process_");
            let without_feature = word == "sluicegate_spans_total" && !cfg!(feature = "otlp");
            if is_metric && !without_feature {
                assert!(
                    known.0.contains(word),
                    "{file}: {word} is not printed by /metrics"
                );
                seen += 1;
            }
        }
        for label in labels_in(expression) {
            let is_known = known.1.contains(label) || OF_PROMETHEUS.contains(&label);
            assert!(
                is_known,
                "{file}: no metric has the label {label}: {expression}"
            );
        }
    }
    assert!(seen >= 15, "{file} names {seen} metrics");
}

#[test]
fn dashboard_and_alerts_name_what_there_is() {
    let known = names_of(&metrics());
    let read =
        |path: &str| fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let dashboard: Value = serde_json::from_str(&read("config/grafana/sluicegate.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            texts(&target["expr"], &mut expressions);
        }
    }
    texts(&dashboard["templating"], &mut expressions);
    texts(&dashboard["annotations"], &mut expressions);
    check("sluicegate.json", &expressions, &known);
    let rules = read("config/prometheus/sluicegate.rules.yaml");
    let lines: Vec<String> = rules
        .lines()
        .filter(|line| line.trim_start().starts_with("expr:") || line.starts_with("          "))
        .filter(|line| !line.contains("summary:"))
        .map(str::to_owned)
        .collect();
    check("sluicegate.rules.yaml", &lines, &known);
    let documented = read("docs/operations.md");
    let families = known
        .0
        .iter()
        .filter(|name| name.starts_with("sluicegate_"));
    for family in families {
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| family.strip_suffix(end));
        let name = base
            .filter(|base| known.0.contains(*base))
            .unwrap_or(family);
        let short = name.strip_prefix("sluicegate_config_last_reload");
        let told = short.unwrap_or(name);
        assert!(
            documented.contains(told),
            "docs/operations.md does not tell of {name}"
        );
    }
}
