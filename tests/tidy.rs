//! Keeps the tree in the shape that docs/architecture.md describes.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each floor, and the floors it may `use`. This table is the architecture.
const FLOORS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("vtl", &["wire"]),
    ("net", &["wire"]),
    ("store", &[]),
    ("api", &["wire", "vtl"]),
    ("pipeline", &["wire", "vtl", "api"]),
    ("serve", &["wire", "vtl", "api", "pipeline", "net"]),
    ("load", &["wire", "net"]),
    (
        "app",
        &[
            "wire", "vtl", "net", "store", "api", "pipeline", "serve", "load",
        ],
    ),
];
/// The only floor that names the runtime.
const RUNTIME_FLOOR: &str = "net";
/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 600;
/// Names that say nothing about what is inside.
const FILE_NAMES_BANNED: &[&str] = &[
    "utils", "util", "helpers", "common", "misc", "types", "core",
];
/// The one reader of body lengths (invariant 2).
const FRAMING_READER: &str = "src/wire/http1/framing";

/// A Rust file and its code: without comment lines and without the test module at its end.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn floor(&self) -> Option<&'static (&'static str, &'static [&'static str])> {
        let folder = self.path.strip_prefix("src/")?.split('/').next()?;
        FLOORS.iter().find(|(name, _)| *name == folder)
    }
}

#[test]
fn floors_depend_only_downwards() {
    check(|source, faults| {
        let Some((floor, allowed)) = source.floor() else {
            return;
        };
        for (at, _) in source.code.match_indices("crate::") {
            let rest = &source.code[at + "crate::".len()..];
            if rest.starts_with('{') {
                faults.push("one path for each `use crate::`".to_owned());
            }
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let to = &rest[..end.unwrap_or(rest.len())];
            let known = FLOORS.iter().any(|(name, _)| *name == to);
            if to != *floor && known && !allowed.contains(&to) {
                faults.push(format!("{floor} may not use {to}"));
            }
        }
        if source.code.contains("super::super::super") {
            faults.push("write the path from `crate::` instead of climbing".to_owned());
        }
    });
}

#[test]
fn one_floor_names_the_runtime() {
    check(|source, faults| {
        let in_library = source.path.starts_with("src/");
        let in_runtime_floor = source
            .floor()
            .is_some_and(|(name, _)| *name == RUNTIME_FLOOR);
        if in_library && !in_runtime_floor && source.code.contains("monoio::") {
            faults.push("monoio is named in net only".to_owned());
        }
    });
}

#[test]
fn files_are_short_and_named_by_an_idea() {
    check(|source, faults| {
        let lines = without_test_module(&source.text).lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!(
                "{lines} lines without tests, {FILE_LINES_MAX} at most"
            ));
        }
        let path = Path::new(&source.path);
        for part in path
            .with_extension("")
            .iter()
            .filter_map(|part| part.to_str())
        {
            if FILE_NAMES_BANNED.contains(&part) {
                faults.push(format!("`{part}` says nothing about what is inside"));
            }
        }
    });
}

#[test]
fn nothing_unsafe_unfinished_or_silenced() {
    let words = [
        ("unsafe ", "no unsafe code"),
        ("todo!", "unfinished"),
        ("unimplemented!", "unfinished"),
        ("dbg!", "left over"),
        ("allow(dead_code", "delete what is not used"),
        ("#[ignore", "a test that does not run is no test"),
    ];
    check(|source, faults| {
        if source.path == "tests/tidy.rs" {
            return;
        }
        let lines = source.text.lines().filter(|line| !is_comment(line));
        for line in lines {
            for (word, reason) in words {
                if line.contains(word) {
                    faults.push(format!("`{word}`: {reason}"));
                }
            }
        }
    });
}

#[test]
fn body_lengths_are_read_in_one_file() {
    check(|source, faults| {
        if source.path.starts_with(FRAMING_READER) || !source.path.starts_with("src/") {
            return;
        }
        let code = source.code.to_ascii_lowercase();
        for name in ["content-length", "transfer-encoding"] {
            for read in ["get", "last", "all"] {
                if code.contains(&format!(".{read}(b\"{name}\")")) {
                    faults.push(format!("{name} is read in {FRAMING_READER} only"));
                }
            }
        }
    });
}

#[test]
fn every_dependency_is_accounted_for() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let page = read("docs/decisions/dependencies.md");
    let mut missing = Vec::new();
    for section in ["dependencies", "dev-dependencies"] {
        for name in manifest[section].as_table().unwrap().keys() {
            if !page.contains(&format!("| `{name}` |")) {
                missing.push(name.clone());
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no line in docs/decisions/dependencies.md: {missing:?}"
    );
}

#[test]
fn the_architecture_page_names_files_that_exist() {
    let page = read("docs/architecture.md");
    for quoted in page.split('`').skip(1).step_by(2) {
        let is_path = quoted.ends_with(".rs") && quoted.contains('/');
        if is_path && !quoted.contains('*') {
            let folder = quoted.replace(".rs", "/mod.rs");
            let found = [quoted, &folder]
                .iter()
                .any(|path| root().join("src").join(path).exists() || root().join(path).exists());
            assert!(
                found,
                "docs/architecture.md names {quoted}, which is not there"
            );
        }
    }
}

#[test]
fn the_compatibility_page_names_evidence_that_exists() {
    let page = read("docs/compatibility.md");
    let folders = ["tests/", "src/", "loadtests/", "config/"];
    let named = page.split('`').skip(1).step_by(2);
    let evidence: Vec<&str> = named
        .filter(|quoted| folders.iter().any(|folder| quoted.starts_with(folder)))
        .collect();
    assert!(evidence.len() > 50, "the table lost its evidence");
    for path in evidence {
        assert!(
            root().join(path).exists(),
            "docs/compatibility.md names {path}, which is not there"
        );
    }
}

#[test]
fn decision_pages_have_numbers_of_their_own() {
    let mut numbers = BTreeSet::new();
    for path in files(&root().join("docs/decisions"), &|_| true) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            assert!(numbers.insert(name[..4].to_owned()), "{name}");
        }
    }
    assert!(numbers.len() > 10);
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let places = ["work", "root", "farm"].map(|folder| format!("/{folder}/"));
    let mut faults = Vec::new();
    for path in files(&root(), &|path| is_text(path)) {
        // ignored: a file that is not UTF-8 is no text
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            if places.iter().any(|place| names_place(line, place)) {
                faults.push(format!("{}:{}", path.display(), index + 1));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "paths of one machine:\n{}",
        faults.join("\n")
    );
}

/// Whether an absolute path in `line` begins with `place`; `docs/work/` does not.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}'))
    })
}

/// Runs `rule` over every Rust file and fails with everything that it found.
fn check(rule: impl Fn(&Source, &mut Vec<String>)) {
    let mut all = Vec::new();
    for source in sources() {
        let mut faults = Vec::new();
        rule(&source, &mut faults);
        all.extend(
            faults
                .iter()
                .map(|fault| format!("{}: {fault}", source.path)),
        );
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

fn sources() -> Vec<Source> {
    let is_rust = |path: &Path| path.extension().is_some_and(|e| e == "rs");
    let mut sources = Vec::new();
    for folder in ["src", "tests", "bench", "fuzz"] {
        for path in files(&root().join(folder), &is_rust) {
            let text = fs::read_to_string(&path).unwrap();
            let is_test_file = path.file_name().is_some_and(|name| name == "tests.rs");
            let code = if is_test_file {
                ""
            } else {
                without_test_module(&text)
            };
            let code: Vec<&str> = code.lines().filter(|line| !is_comment(line)).collect();
            sources.push(Source {
                path: path
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
                code: code.join("\n"),
                text,
            });
        }
    }
    assert!(sources.len() > 50, "the tree was not found");
    sources
}

/// The text before the test module at its end. `mod tests;` is no end: the code goes on below it.
fn without_test_module(text: &str) -> &str {
    let is_body = |at: &usize| {
        text[*at..]
            .lines()
            .nth(1)
            .is_some_and(|line| line.ends_with('{'))
    };
    let starts = text.match_indices("#[cfg(test)]\nmod ").map(|(at, _)| at);
    let end = starts.into_iter().find(is_body);
    &text[..end.unwrap_or(text.len())]
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_text(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    !matches!(extension, "lock" | "png" | "jpg" | "gz" | "bin")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Files below `folder`, but for build output and what git keeps.
fn files(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !["target", ".git", ".venv", "__pycache__"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                found.extend(files(&path, wanted));
            }
        } else if name != ".git" && wanted(&path) {
            found.push(path);
        }
    }
    found
}
