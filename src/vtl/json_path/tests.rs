use serde_json::json;

use super::*;

fn find(path: &str, root: &Value) -> Option<Value> {
    JsonPath::parse(path)
        .unwrap()
        .find(root)
        .map(Cow::into_owned)
}

fn fault(path: &str) -> (JsonPathFault, usize) {
    let error = JsonPath::parse(path).unwrap_err();
    (error.fault, error.offset)
}

fn document() -> Value {
    json!({
        "a": {"b": {"x": 1}, "c-d_2": "hyphen"},
        "list": [10, 20, 30],
        "null": null,
        "objects": [{"a": {"x": [1]}, "k": 1}, {"a": {"x": 7}}, 5, {"k": 2, "deep": [{"k": 3}]}],
    })
}

#[test]
fn a_definite_path_gives_the_value_or_nothing() {
    let document = document();
    for (path, wanted) in [
        ("$.a.b.x", Some(json!(1))),
        ("$['a'][\"b\"]['x']", Some(json!(1))),
        ("$.a.c-d_2", Some(json!("hyphen"))),
        ("$.['a'].b", Some(json!({"x": 1}))),
        ("$.list[0]", Some(json!(10))),
        ("$.list[-1]", Some(json!(30))),
        ("$.list[ 1 ]", Some(json!(20))),
        ("$.null", Some(Value::Null)),
        ("$.none", None),
        ("$.a.b.x.y", None),
        ("$.list[3]", None),
        ("$.list[-4]", None),
        ("$.list.a", None),
        ("$.a[0]", None),
        ("$.null.a", None),
    ] {
        assert_eq!(find(path, &document), wanted, "{path}");
    }
    assert_eq!(find("$", &document), Some(document));
}

#[test]
fn a_definite_path_borrows() {
    let document = document();
    let found = JsonPath::parse("$.a").unwrap();
    assert!(matches!(found.find(&document), Some(Cow::Borrowed(_))));
}

#[test]
fn a_path_without_dollar_starts_at_the_root() {
    let document = document();
    for path in ["a.b.x", " $.a.b.x ", "['a'].b.x"] {
        assert_eq!(find(path, &document), Some(json!(1)), "{path}");
    }
    assert_eq!(find(".x", &document), find("$..x", &document));
}

#[test]
fn an_indefinite_path_gives_an_array() {
    let document = document();
    for (path, wanted) in [
        ("$.list[*]", json!([10, 20, 30])),
        ("$.a.*", json!([{"x": 1}, "hyphen"])),
        ("$.list[0,-1,9]", json!([10, 30])),
        ("$.list[0:2]", json!([10, 20])),
        ("$.list[1:]", json!([20, 30])),
        ("$.list[-2:]", json!([20, 30])),
        ("$.list[:-1]", json!([10, 20])),
        ("$.list[-3:-1]", json!([10, 20])),
        ("$.list[-1:1]", json!([30, 10])),
        ("$.list[2:1]", json!([])),
        ("$.list[7:]", json!([])),
        ("$.objects[*].k", json!([1, 2])),
        ("$.objects[0,1].a.x", json!([[1], 7])),
        ("$.objects[*].a.x[0]", json!([1])),
        ("$.objects[*].none", json!([])),
        ("$.a.b.x[*]", json!([])),
    ] {
        assert_eq!(find(path, &document), Some(wanted), "{path}");
    }
}

#[test]
fn descent_finds_parents_before_children_in_document_order() {
    let document = document();
    assert_eq!(find("$..k", &document), Some(json!([1, 2, 3])));
    assert_eq!(find("$..['x']", &document), Some(json!([1, [1], 7])));
    assert_eq!(find("$.objects[3]..k", &document), Some(json!([2, 3])));
    assert_eq!(find("$..none", &document), Some(json!([])));
    let nested = json!({"a": {"a": [1]}, "b": 2});
    assert_eq!(find("$..a", &nested), Some(json!([{"a": [1]}, [1]])));
    assert_eq!(find("$..*", &nested), Some(json!([{"a": [1]}, 2, [1], 1])));
}

#[test]
fn several_names_give_an_object_at_the_end_and_each_member_before() {
    let document = json!({"a": {"x": 1}, "b": {"x": 2}, "c": 3});
    assert_eq!(
        find("$['c','a','none']", &document),
        Some(json!({"c": 3, "a": {"x": 1}}))
    );
    assert_eq!(find("$['none']['a','b']", &document), None);
    assert_eq!(find("$.c['a','b']", &document), None);
    assert_eq!(find("$['a','b'].x", &document), Some(json!([1, 2])));
    assert_eq!(
        find("$.*['x','y']", &document),
        Some(json!([{"x": 1}, {"x": 2}]))
    );
}

#[test]
fn the_definite_beginning_of_a_path_must_fit() {
    let document = document();
    for path in [
        "$.a[0:1]",
        "$.a[0,1]",
        "$.list[9][*]",
        "$.list.a[*]",
        "$.null[1:]",
    ] {
        assert_eq!(find(path, &document), None, "{path}");
    }
    assert_eq!(find("$.none[*]", &document), Some(json!([])));
}

#[test]
fn quoted_names_hold_any_character() {
    let document = json!({"a.b[0]": 1, "it's": 2, "é \"q\"": 3, "": 4});
    assert_eq!(find("$['a.b[0]']", &document), Some(json!(1)));
    assert_eq!(find(r"$['it\'s']", &document), Some(json!(2)));
    assert_eq!(find("$[\"it's\"]", &document), Some(json!(2)));
    assert_eq!(find("$['é \"q\"']", &document), Some(json!(3)));
    assert_eq!(find("$['']", &document), Some(json!(4)));
}

#[test]
fn filters_and_functions_are_refused_at_their_place() {
    for (path, offset) in [
        ("$.a[(@.length-1)]", 4),
        ("$.a[?]", 5),
        ("$.a[?(@.b==)]", 11),
        ("$.a[?(@.b==x)]", 11),
        ("$.a[?(@.b==1]", 12),
        ("$.a[?(@..b)]", 7),
        ("$.a[?(@.b[*])]", 12),
        ("$.a[?(@.b=~x)]", 11),
        ("$.a[?(@.b=~/x)]", 11),
        ("$.a[?(@.b=~/(?=x)/)]", 11),
    ] {
        assert_eq!(fault(path), (JsonPathFault::Filter, offset), "{path}");
    }
    assert_eq!(fault("$.a.size()"), (JsonPathFault::Function, 8));
    assert_eq!(fault("$.a.length().b"), (JsonPathFault::Function, 10));
    assert!(JsonPath::parse("$.a.length").is_ok());
    let deep = |depth: usize| format!("$[?({}@.a)]", "!".repeat(depth));
    assert!(JsonPath::parse(&deep(15)).is_ok());
    assert_eq!(fault(&deep(16)).0, JsonPathFault::TooLong);
}

#[test]
fn filters_keep_the_elements_they_accept() {
    let document = json!({
        "limit": 2,
        "list": [{"n": 1, "t": "ab"}, {"n": 2, "t": "Bc"}, {"n": 3.5}, "x"],
        "one": {"n": 1},
    });
    for (filter, wanted) in [
        ("@.n", json!([1, 2, 3.5])),
        ("!@.t", json!([3.5])),
        ("@.n == 2", json!([2])),
        ("@.n == 2.0", json!([2])),
        ("@.n != 2", json!([1, 3.5])),
        ("@.n < $.limit", json!([1])),
        ("@.n<=2", json!([1, 2])),
        ("@.n > 1 && @.n < 3", json!([2])),
        ("@.n == 1 || @['n'] >= 3", json!([1, 3.5])),
        ("!(@.n == 1 || @.n == 2) && @.n", json!([3.5])),
        ("@.t == 'ab'", json!([1])),
        ("@.t == \"ab\"", json!([1])),
        ("'1' == @.n", json!([1])),
        ("@.t =~ /[ab]+/", json!([1])),
        ("@.t =~ /bC/i", json!([2])),
        ("@.t =~ /b/", json!([])),
        ("@.t == true", json!([])),
    ] {
        let path = format!("$.list[?({filter})].n");
        assert_eq!(find(&path, &document), Some(wanted), "{path}");
    }
    assert_eq!(find("$.one[?(@.n==1)]", &document), Some(json!([{"n": 1}])));
    assert_eq!(find("$.limit[?(@.n==1)]", &document), None);
}

#[test]
fn length_counts_elements_and_members() {
    let document = json!({"a": [1, 2, 3], "o": {"x": 1}, "s": "text"});
    assert_eq!(find("$.a.length()", &document), Some(json!(3)));
    assert_eq!(find(" $.o.length() ", &document), Some(json!(1)));
    assert_eq!(find("$.length()", &document), Some(json!(3)));
    assert_eq!(find("$.a[0:2].length()", &document), Some(json!(2)));
    assert_eq!(find("$.s.length()", &document), None);
}

#[test]
fn malformed_paths_are_refused_at_their_place() {
    use JsonPathFault::{DescentToIndex, EmptyName, IndexTooLong, Unclosed, UnexpectedCharacter};
    for (path, wanted) in [
        ("", (EmptyName, 0)),
        ("$.", (EmptyName, 2)),
        ("$.a..", (EmptyName, 5)),
        ("$...a", (EmptyName, 3)),
        ("$a", (UnexpectedCharacter, 1)),
        ("$.a b", (UnexpectedCharacter, 3)),
        ("$.*a", (UnexpectedCharacter, 3)),
        ("$[a]", (UnexpectedCharacter, 2)),
        ("$[]", (UnexpectedCharacter, 2)),
        ("$[:]", (UnexpectedCharacter, 3)),
        ("$[-]", (UnexpectedCharacter, 2)),
        ("$[+1]", (UnexpectedCharacter, 2)),
        ("$[1,]", (UnexpectedCharacter, 4)),
        ("$[0:2:1]", (UnexpectedCharacter, 5)),
        ("$['a',]", (UnexpectedCharacter, 6)),
        ("$['a'x]", (UnexpectedCharacter, 5)),
        ("$[", (Unclosed, 2)),
        ("$[1", (Unclosed, 3)),
        ("$['a", (Unclosed, 2)),
        (r"$['a\", (Unclosed, 2)),
        ("$..[0]", (DescentToIndex, 3)),
        ("$..['a','b']", (DescentToIndex, 3)),
        ("$[1234567890]", (IndexTooLong, 2)),
    ] {
        assert_eq!(fault(path), wanted, "{path}");
    }
    assert!(JsonPath::parse("$[-123456789]").is_ok());
}

#[test]
fn length_of_a_path_is_limited() {
    let steps = |count: usize| JsonPath::parse(&format!("${}", ".a".repeat(count)));
    assert!(steps(64).is_ok());
    assert_eq!(steps(65).unwrap_err().fault, JsonPathFault::TooLong);
    let list = |count: usize| JsonPath::parse(&format!("$[{}0]", "0,".repeat(count - 1)));
    assert!(list(64).is_ok());
    assert_eq!(list(65).unwrap_err().fault, JsonPathFault::TooLong);
}

#[test]
fn a_path_that_multiplies_finds_nothing() {
    let document = json!([[[[[[[[[[1]]]]]]]]]]);
    let tenfold = "[0,0,0,0,0,0,0,0,0,0]";
    assert_eq!(find(&format!("${}", tenfold.repeat(9)), &document), None);
    let some = find(&format!("${}", tenfold.repeat(3)), &document).unwrap();
    assert_eq!(some.as_array().unwrap().len(), 1000);
}

#[test]
fn a_result_that_copies_too_much_is_none() {
    let document = json!({"text": "x".repeat(1024 * 1024), "small": [1, 2]});
    let wrapped = json!([document]);
    let many = |count: usize| format!("$[{}0].text", "0,".repeat(count - 1));
    assert_eq!(find(&many(17), &wrapped), None);
    assert_eq!(
        find(&many(15), &wrapped).unwrap().as_array().unwrap().len(),
        15
    );
    assert!(find("$[0]['text','small']", &wrapped).is_some());
}

#[test]
fn the_message_names_fault_and_offset() {
    let error = JsonPath::parse("$.a[(1)]").unwrap_err();
    assert_eq!(
        error.to_string(),
        "this filter is not supported at offset 4"
    );
}
