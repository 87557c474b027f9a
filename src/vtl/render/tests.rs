//! The vectors of spec 07, and what the limits hold back.

use std::borrow::Cow;
use std::fs;

use serde_json::{Map, Value};

use super::*;

fn pairs(map: Option<&Value>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let members = map.and_then(Value::as_object).into_iter().flatten();
    members
        .map(|(name, value)| (name.as_str().into(), value.as_str().unwrap().into()))
        .collect()
}

/// Leaves by their dotted names, but the overrides.
fn leaves(
    prefix: &str,
    map: &Map<String, Value>,
    out: &mut Vec<(Cow<'_, str>, Option<Cow<'_, str>>)>,
) {
    for (name, value) in map {
        let path = format!("{prefix}{name}");
        match value {
            Value::Object(_) if name.ends_with("Override") => {}
            Value::Object(below) => leaves(&format!("{path}."), below, out),
            other => out.push((
                path.into(),
                other.as_str().map(|text| text.to_owned().into()),
            )),
        }
    }
}

fn input(vector: &Value) -> TemplateInput<'_> {
    let mut context = Vec::new();
    let mut overrides = Overrides::default();
    if let Some(members) = vector["context"].as_object() {
        leaves("", members, &mut context);
        for (name, slot) in [
            ("requestOverride", &mut overrides.request),
            ("responseOverride", &mut overrides.response),
        ] {
            if let Some(given) = members.get(name) {
                *slot = given.clone();
            }
        }
    }
    TemplateInput {
        body: vector["body"].as_str().unwrap_or_default().into(),
        parameters: Parameters {
            path: pairs(vector["params"].get("path")),
            querystring: pairs(vector["params"].get("querystring")),
            header: pairs(vector["params"].get("header")),
        },
        context,
        stage_variables: pairs(vector.get("stageVariables")),
        overrides,
    }
}

/// Every template as a program: those that stream give the same.
fn rendered(template: &str, input: &TemplateInput<'_>) -> Option<Rendered> {
    let program = crate::vtl::compile::compile(template).ok()?;
    render(&program, input).ok()
}

fn check(file: &str) {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let faults: Vec<String> = vectors.iter().filter_map(fault).collect();
    assert!(!vectors.is_empty());
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        vectors.len(),
        faults.join("\n")
    );
}

/// What is wrong with a vector's result.
fn fault(vector: &Value) -> Option<String> {
    let input = input(vector);
    let expect = &vector["expect"];
    let wanted = expect["output"].as_str();
    let got = rendered(vector["template"].as_str().unwrap(), &input);
    let same = match (&got, wanted) {
        (None, None) => true,
        (Some(got), Some(wanted)) if vector["compare"] == "json" => {
            let json = |text: &str| serde_json::from_str::<Value>(text).ok();
            json(&got.output).is_some() && json(&got.output) == json(wanted)
        }
        (Some(got), Some(wanted)) => got.output == wanted,
        _ => false,
    };
    let contains = |whole: &Value, part: &Value| {
        let members = part.as_object().into_iter().flatten();
        members
            .clone()
            .all(|(name, value)| whole.get(name) == Some(value))
    };
    let overridden = got.as_ref().is_none_or(|got| {
        contains(&got.overrides.request, &expect["requestOverride"])
            && contains(&got.overrides.response, &expect["responseOverride"])
    });
    (!same || !overridden).then(|| {
        format!(
            "{}: {} gives {got:?}, wanted {expect}",
            vector["name"], vector["template"]
        )
    })
}

#[test]
fn every_vector_of_the_specification_holds() {
    check("vtl.json");
}

#[test]
fn every_finding_of_the_differential_run_holds() {
    check("vtl-differential.json");
}

fn error(template: &str) -> RenderError {
    let program = crate::vtl::compile::compile(template).unwrap();
    render(&program, &TemplateInput::default()).unwrap_err()
}

fn output(template: &str) -> String {
    let program = crate::vtl::compile::compile(template).unwrap();
    render(&program, &TemplateInput::default()).unwrap().output
}

/// Loops inside one another around `inside`.
fn loops(depth: usize, inside: &str) -> String {
    let open = "#foreach($i in [1..1000])".repeat(depth);
    format!("{open}{inside}{}", "#end".repeat(depth))
}

#[test]
fn a_loop_has_a_thousand_rounds() {
    assert_eq!(output("#foreach($i in [1..1000])x#end").len(), 1000);
    assert_eq!(
        error("#foreach($i in [1..1001])#end"),
        RenderError::TooManyRounds
    );
    assert_eq!(
        output("#foreach($i in [1..1001])#if($i==1000)#break#end#end."),
        "."
    );
}

#[test]
fn work_is_limited_whatever_does_it() {
    for template in [
        loops(3, ""),
        loops(31, "$i"),
        loops(2, "$input.path('$..a')"),
        format!("#set($a='a')#set($e='')#set($s='{}'){}", "a".repeat(10_000), loops(2, "#set($t=$s.replaceAll('(a|b)*c','x'))")),
        format!("#set($s='{}'){}", "a".repeat(10_000), loops(2, "#set($t=$s.matches('(a*)*b'))")),
        loops(2, "#evaluate('#set($q=1)$q')"),
        format!("#macro(m $a)$a$a$a#end{}", loops(2, "#m($i)")),
        "#set($l=[1,2,3,4,5,6,7,8])#set($m=[$l,$l,$l,$l,$l,$l,$l,$l])#set($n=[$m,$m,$m,$m,$m,$m,$m,$m])\
         #set($o=[$n,$n,$n,$n,$n,$n,$n,$n])#set($p=[$o,$o,$o,$o,$o,$o,$o,$o])\
         #set($q=[$p,$p,$p,$p,$p,$p,$p,$p])#set($r=[$q,$q,$q,$q,$q,$q,$q,$q])\
         #set($t=[$r,$r,$r,$r,$r,$r,$r,$r])#if($t.equals([$t,$t]))#end$t.toString().length()"
            .to_owned(),
    ] {
        let error = error(&template);
        let limits = [RenderError::TooManySteps, RenderError::ValuesTooLarge, RenderError::TextTooLong];
        assert!(limits.contains(&error), "{error:?}: {}", &template[..template.len().min(200)]);
    }
}

/// What each of these goes through is far more than what it makes, so that steps have to count the former.
#[test]
fn long_arguments_are_work_for_short_texts() {
    let long = format!(
        "#set($a='a')#set($e='')#set($s='{}'){}",
        "ab".repeat(500),
        "#set($s=$s+$s)".repeat(9)
    );
    for call in [
        "$s.length()",
        "$a.equalsIgnoreCase($s)",
        "$a.valueOf($s)",
        "$a.indexOf($s)",
        "$a.lastIndexOf($s)",
        "$e.compareTo($s)",
        "$a.replace($s,'b')",
        "$m.get($s)",
        "$m.containsKey($s)",
        "$m.put($s,1)",
    ] {
        let rounds = loops(1, &format!("#set($x={call})"));
        let template = format!("{long}#set($m={{}})#set($t=$s+'')#set($x=$m.put($t,1)){rounds}");
        assert_eq!(error(&template), RenderError::TooManySteps, "{call}");
    }
}

#[test]
fn many_parameters_are_work_for_each_call_and_each_name() {
    let parameters: String = (0..2_000).map(|number| format!(" $p{number}")).collect();
    let arguments = " 1".repeat(2_000);
    for inside in ["", "$p1999", "#set($p0=1)", "#foreach($p1999 in [1])#end"] {
        let rounds = loops(1, &"#m(ARGUMENTS)".repeat(16)).replace("ARGUMENTS", &arguments);
        let template = format!("#macro(m{parameters}){}#end{rounds}", inside.repeat(4));
        assert_eq!(error(&template), RenderError::TooManySteps, "{inside}");
    }
}

#[test]
fn a_match_costs_what_its_search_looks_at() {
    let text = "a".repeat(4_000);
    let round = |call: &str| format!("#set($s='{text}')#set($x=$s.{call})");
    // Each looks for a `b` in all that is left before it takes an `a`.
    for call in [
        "replaceAll('.*b|a','x')",
        "split('a*b|a')",
        "replaceAll('(.*b)|a','$1')",
    ] {
        assert_eq!(
            error(&format!("{}{}", round(call), loops(1, &round(call)))),
            RenderError::TooManySteps,
            "{call}"
        );
        assert!(
            output(&round(call)).is_empty(),
            "{call}: one is not too much"
        );
    }
    // As many matches that look no further than they are long.
    for call in [
        "replaceAll('a','x')",
        "replaceAll('[ab]{1,3}','x')",
        "split('a')",
    ] {
        assert!(output(&round(call).repeat(10)).is_empty(), "{call}");
    }
}

#[test]
fn of_parameters_of_one_name_the_last_counts_however_many_there_are() {
    let program = crate::vtl::compile::compile(
        "$input.params('n0') $input.params('n1') $input.params().querystring.size()",
    )
    .unwrap();
    for count in [2, 16, 4_000] {
        let names = (0..count).map(|number| (format!("n{number}").into(), "first".into()));
        let querystring = names.chain([("n0".into(), "last".into())]).collect();
        let input = TemplateInput {
            parameters: Parameters {
                querystring,
                ..Parameters::default()
            },
            ..TemplateInput::default()
        };
        let printed = render(&program, &input).unwrap().output;
        assert_eq!(printed, format!("last first {count}"));
    }
}

#[test]
fn a_search_stops_where_the_steps_end() {
    let body = format!("[{}]", vec!["[1,2,3]"; 2_000].join(","));
    let program =
        crate::vtl::compile::compile(&loops(2, "#set($x=$input.path('$..*..*'))")).unwrap();
    let input = TemplateInput {
        body: body.into(),
        ..TemplateInput::default()
    };
    assert_eq!(
        render(&program, &input).unwrap_err(),
        RenderError::TooManySteps
    );
}

#[test]
fn texts_and_values_are_limited() {
    let doubling = "#set($s=$s+$s)".repeat(30);
    assert_eq!(
        error(&format!("#set($s='ab'){doubling}")),
        RenderError::TextTooLong
    );
    let written = format!(
        "#set($s='ab'){}{}",
        "#set($s=$s+$s)".repeat(20),
        loops(1, "$s")
    );
    assert_eq!(error(&written), RenderError::TextTooLong);
    let kept = loops(1, "#set($x=[1..100000])");
    assert_eq!(error(&kept), RenderError::ValuesTooLarge);
    assert_eq!(
        error("#set($x=[1..100000000])"),
        RenderError::ValuesTooLarge
    );
}

#[test]
fn what_contains_itself_ends() {
    assert!(matches!(
        error("#set($l=[1])#set($v=$l.add($l))$l"),
        RenderError::TextTooLong | RenderError::TooManySteps | RenderError::ValuesTooLarge
    ));
    assert!(matches!(
        error("#set($m={})#set($m.m=$m)#set($n={})#set($n.m=$n)#if($m==$n)x#end"),
        RenderError::TooManySteps | RenderError::ValuesTooLarge
    ));
    assert_eq!(error("#macro(m)#m()#end#m()"), RenderError::NestedTooDeep);
    assert_eq!(
        error("#macro(m $a)#m($a)#end#m('x')"),
        RenderError::NestedTooDeep
    );
    assert_eq!(
        error("#set($t='#evaluate($t)')#evaluate($t)"),
        RenderError::NestedTooDeep
    );
    assert_eq!(output("#define($d)x$d#end$d"), "xx");
}

#[test]
fn break_and_stop_end_what_they_stand_in() {
    for (template, wanted) in [
        ("#foreach($i in [1..3])$i#if($i==2)#break#end#end.", "12."),
        ("#macro(m)a#break b#end#m()c", "ac"),
        ("#define($d)a#break b#end$d.$d", "a.a"),
        (
            "#foreach($i in [1..2])#define($d)a#break b#end$d#end.",
            "aa.",
        ),
        ("#evaluate('a#stop b')c", "ac"),
        ("#evaluate('a#break b')c", "ac"),
        ("#define($d)a#stop b#end[$d]", "[a"),
        ("#set($x=\"a#stop b\")[$x]", ""),
        ("a#break b", "a"),
    ] {
        assert_eq!(output(template), wanted, "{template}");
    }
}

proptest::proptest! {
    /// Any text compiles or is refused, and what compiles renders within the limits.
    #[test]
    fn no_template_panics(text in "([$#{}()\\[\\]\"'a-c.!=+ 1\n\\\\]|#if|#end|#set\\(|#foreach\\(|\\$a|in|#macro\\(|#define\\(\\$a\\)|#\\*|#\\[\\[){0,24}") {
        if let Ok(program) = crate::vtl::compile::compile(&text) {
            let rendered = render(&program, &TemplateInput::default());
            proptest::prop_assert!(rendered.is_ok_and(|rendered| rendered.output.len() < 1024 * 1024) || !text.is_empty());
        }
    }
}
