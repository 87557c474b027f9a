//! No template and no JSONPath panics, ends in the compiler's own faults or runs over its limits, whatever text and body
//! are made of: real ones, cut, doubled and spliced.

use std::fs;

use serde_json::Value;

use crate::vtl::bounded_json;
use crate::vtl::compile::compile;
use crate::vtl::json_path::JsonPath;
use crate::vtl::render::budget::TEXT_BYTES_MAX;
use crate::vtl::render::{RenderError, TemplateInput, render};

/// Templates of one run: with the optimisation of tests some ten seconds.
const TEMPLATES: usize = 6_000;
const PATHS: usize = 20_000;
/// A longer template is cut: its size is what the import looks at.
const TEMPLATE_BYTES_MAX: usize = 4_000;
/// Values that a search may touch.
const TOUCHED_VALUES_MAX: usize = 8 * 1024 * 1024;

/// xorshift: the same texts in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }

    fn of<'a>(&mut self, all: &'a [String]) -> &'a str {
        let at = self.next(all.len());
        &all[at]
    }

    /// A part of a text, between characters.
    fn part(&mut self, text: &str) -> (usize, usize) {
        let mut ends = [self.next(text.len() + 1), self.next(text.len() + 1)];
        ends.sort_unstable();
        let down = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        (down(ends[0]), down(ends[1]))
    }

    fn changed(&mut self, text: &str, others: &[String], odd: &[&str]) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.next(3) {
            let (from, to) = self.part(&text);
            let piece = match self.next(5) {
                0 => String::new(),
                1 => text[from..to].repeat(2 + self.next(3)),
                2 => odd[self.next(odd.len())].repeat(1 + self.next(2)),
                3 => {
                    let other = self.of(others).to_owned();
                    let (start, end) = self.part(&other);
                    other[start..end].to_owned()
                }
                // cut off
                _ => {
                    text.truncate(to);
                    String::new()
                }
            };
            let to = to.min(text.len());
            text.replace_range(from.min(to)..to, &piece);
            let (end, _) = text
                .char_indices()
                .map(|(at, _)| (at, ()))
                .take_while(|(at, ())| *at <= TEMPLATE_BYTES_MAX)
                .last()
                .unwrap_or_default();
            text.truncate(end);
        }
        text
    }
}

const ODD: [&str; 40] = [
    "$",
    "#",
    "\\",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "'",
    "##",
    "#*",
    "*#",
    "#[[",
    "]]#",
    "$!",
    "${",
    "#end",
    "#if(",
    "#else",
    "#foreach($i in ",
    "#set($a = ",
    "#macro(m $a)",
    "#m(",
    "#define($d)",
    "$d",
    "#evaluate(",
    "#stop",
    "#break",
    ".split('(a*)*b')",
    ".replaceAll(",
    "$input.path('$..*..*')",
    "$util.parseJson($input.body)",
    "[1..1000]",
    " + $a",
    "9223372036854775807",
    "\\u00e9",
    "\u{1F600}",
    "\0",
];

fn vectors() -> Vec<String> {
    let mut templates = Vec::new();
    for file in ["vtl.json", "vtl-differential.json"] {
        let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
        let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let vectors = file["vectors"].as_array().unwrap().iter();
        templates.extend(vectors.map(|vector| vector["template"].as_str().unwrap().to_owned()));
    }
    templates
}

fn bodies() -> Vec<String> {
    let deep =
        |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    let mut bodies = vec![
        r#"{"s":"te\"xt/é","n":5,"f":1.5,"t":true,"z":null,"l":[1,"two",{"k":"v"},[3]],"o":{"k":"v","in":{"d":[{"p":1},{"p":2}]}}}"#
            .to_owned(),
        r#"{"a":"\ud800","b":"\udc00\ud800","c":"\ud83d\ude00","d":"\u0000"}"#.to_owned(),
        r#"{"n":1e999,"m":-1e999,"i":123456789012345678901234567890,"s":-0,"f":0.1e-400,"l":1E400}"#.to_owned(),
        r#"{"a":1,"a":2,"":{"":{"":3}}}"#.to_owned(),
        String::from_utf8_lossy(b"{\"a\":\"\xff\xfe\xc3\x28\",\"\xed\xa0\x80\":1}").into_owned(),
        String::new(),
        "null".to_owned(),
        "\u{feff}{}".to_owned(),
    ];
    for depth in [100, 127, 128, 1_000, 100_000] {
        bodies.push(deep("[", "]", depth));
        bodies.push(deep("{\"k\":", "}", depth));
    }
    bodies
}

#[test]
fn no_template_panics_or_runs_over_its_limits() {
    let (templates, bodies) = (vectors(), bodies());
    let mut random = Random(0x5eed);
    let (mut compiled, mut rendered) = (0, 0);
    for _ in 0..TEMPLATES {
        let template = random.of(&templates).to_owned();
        let template = random.changed(&template, &templates, &ODD);
        let Ok(program) = compile(&template) else {
            continue;
        };
        compiled += 1;
        let body = random.of(&bodies).to_owned();
        let body = if random.next(2) == 0 {
            body
        } else {
            random.changed(
                &body,
                &bodies,
                &["{", "}", "[", "]", "\"", "\\u", "1e", ","],
            )
        };
        let input = TemplateInput {
            body: body.as_str().into(),
            ..TemplateInput::default()
        };
        match render(&program, &input) {
            Ok(made) => {
                rendered += 1;
                assert!(made.output.len() <= TEXT_BYTES_MAX, "{template:?}");
            }
            Err(error) => assert_ne!(error, RenderError::BadProgram, "{template:?}"),
        }
    }
    // the texts are no wilder than that many are templates
    assert!(
        compiled > TEMPLATES / 5 && rendered > TEMPLATES / 10,
        "{compiled} {rendered}"
    );
}

#[test]
fn no_path_panics_or_searches_beyond_its_limit() {
    const REAL: [&str; 24] = [
        "$",
        "$.s",
        "$.l[0]",
        "$.l[-1]",
        "$.l[0:2]",
        "$.l[*]",
        "$..k",
        "$..*",
        "$.o.*",
        "$['o']['in']",
        "$.l[0,1,2]",
        "$['s','n']",
        "$.o.in.d[?(@.p==1)]",
        "$..d[?(@.p > 1 && !(@.p =~ /x+/i))].p",
        "$.l.length()",
        "s",
        "$..*..*..*..*",
        "$[0,0,0][0,0,0][0,0,0]",
        "$.l[?('1' == @)]",
        "$[?(@.a || @.b)]",
        "$['a\\'b']",
        "$..['k']",
        "$[-1:]",
        "$[:3].k",
    ];
    const ODD_PATHS: [&str; 16] = [
        "..",
        "*",
        "[",
        "]",
        "'",
        "?(",
        "@",
        "[-9223372036854775808]",
        "99999999999",
        ":",
        ",",
        "&&",
        "||",
        "!",
        "=~ /(/",
        "é",
    ];
    let paths: Vec<String> = REAL.iter().map(|path| (*path).to_owned()).collect();
    let documents: Vec<Value> = bodies()
        .iter()
        .filter_map(|body| bounded_json::parse(body))
        .collect();
    let mut random = Random(0x5eed);
    let mut parsed = 0;
    for _ in 0..PATHS {
        let path = random.of(&paths).to_owned();
        let path = random.changed(&path, &paths, &ODD_PATHS);
        let Ok(path) = JsonPath::parse(&path) else {
            continue;
        };
        parsed += 1;
        let at = random.next(documents.len());
        let (_, touched) = path.find_counted(&documents[at]);
        assert!(touched <= TOUCHED_VALUES_MAX, "{}", path.as_str());
    }
    assert!(parsed > PATHS / 10, "{parsed}");
}

#[test]
fn a_descent_of_descents_over_a_large_document_ends() {
    let row = format!("[{}]", vec!["{\"a\":[1,2,3]}"; 400].join(","));
    let document = bounded_json::parse(&format!("[{}]", vec![row; 50].join(","))).unwrap();
    for path in [
        "$..*..*..*..*",
        "$..a..a..*",
        "$..[?(@.a)]..*..*",
        "$[*][*][*][*]..*",
    ] {
        let Ok(path) = JsonPath::parse(path) else {
            continue;
        };
        let (_, touched) = path.find_counted(&document);
        assert!(touched <= TOUCHED_VALUES_MAX, "{}", path.as_str());
    }
}

#[test]
fn patterns_that_backtrack_elsewhere_cost_no_more_than_others() {
    let long = "a".repeat(20_000);
    let mut stopped = 0;
    for call in [
        "split('(a*)*b')",
        "split('(a|a)*$')",
        "replaceAll('(a+)+b','x')",
        "replaceFirst('^(a?){30}a{30}$','x')",
        "matches('(.*a){12}c')",
        "split('(a{1,100}){1,100}b')",
        "replaceAll('(a{1000}){1000}','')",
        "replaceAll('','xx')",
        "replaceAll('a','$0$0$0$0$0$0$0$0')",
    ] {
        let template = format!(
            "#set($s = '{long}')#set($x = $s.{call})#foreach($i in [1..1000])#set($x = $s.{call})#end"
        );
        let program = compile(&template).unwrap();
        match render(&program, &TemplateInput::default()) {
            Ok(made) => assert!(made.output.len() <= TEXT_BYTES_MAX),
            Err(error) => {
                stopped += 1;
                let limits = [
                    RenderError::TooManySteps,
                    RenderError::ValuesTooLarge,
                    RenderError::TextTooLong,
                    RenderError::BadPattern,
                ];
                assert!(limits.contains(&error), "{call}: {error:?}");
            }
        }
    }
    assert!(stopped >= 5, "{stopped}");
}
