//! Methods and properties, by what they print.

use crate::vtl::compile::compile;
use crate::vtl::render::{RenderError, TemplateInput, render};

fn printed(template: &str) -> Result<String, RenderError> {
    let program = compile(template).unwrap();
    let input = TemplateInput {
        body: "{\"s\":\"a/b\",\"l\":[1,null],\"n\":12}".into(),
        ..TemplateInput::default()
    };
    render(&program, &input).map(|rendered| rendered.output)
}

fn each(cases: &[(&str, &str)]) {
    for (template, wanted) in cases {
        assert_eq!(printed(template).as_deref(), Ok(*wanted), "{template}");
    }
}

#[test]
fn texts_count_utf16_units() {
    each(&[
        (
            "#set($s='😀é')$s.length() $s.substring(2) $s.indexOf('é')",
            "3 é 2",
        ),
        ("#set($s='😀')$s.substring(1)", "?"),
        (
            "#set($s='Hello')$s.indexOf('l',3) $s.indexOf('l',9) $s.indexOf('H',-1)",
            "3 -1 0",
        ),
        (
            "#set($s='b')$s.compareTo('a') $s.compareTo('bcd') $s.hashCode()",
            "1 -2 98",
        ),
        (
            "#set($s='ab')$s.length|$s.class|$s.getClass()|$s.bytes|$s[0]",
            "||||",
        ),
    ]);
}

#[test]
fn patterns_are_java_patterns() {
    each(&[
        (
            "#set($s='a1b22c')$s.replaceAll('[0-9]+','<$0>')",
            "a<1>b<22>c",
        ),
        (
            "#set($s='a1b2')$s.replaceAll('([a-z])(\\d)','$2$1')",
            "1a2b",
        ),
        ("#set($s='a1')$s.replaceFirst('\\d','\\$')", "a$"),
        ("#set($s='x.y')$s.replaceAll('\\Q.\\E','-')", "x-y"),
        (
            "#set($s='abc')$s.split('').size() $s.split('x')[0] $s.split('b',1)[0]",
            "3 abc abc",
        ),
        (
            "#set($s='a,b,,')$s.split(',').size() $s.split(',',-1).length",
            "2 4",
        ),
        (
            "#set($s='ab')$s.matches('a') $s.matches('a|ab')",
            "false true",
        ),
    ]);
    for pattern in ["(", "(?=a)", "(a)\\1", "a{1000000}"] {
        let template = format!("#set($s='a')$s.matches('{pattern}')");
        assert_eq!(
            printed(&template),
            Err(RenderError::BadPattern),
            "{pattern}"
        );
    }
    assert_eq!(
        printed("#set($s='a')$s.replaceAll('a','$2')"),
        Err(RenderError::OutOfRange)
    );
}

#[test]
fn lists_and_maps_change_in_place() {
    each(&[
        (
            "#set($l=[3,1])$l.add(0,9)$l $l.remove(1) $l.remove('x') $l.set(0,'q') $l",
            "[9, 3, 1] 3 false 9 [q, 1]",
        ),
        (
            "#set($l=[1,2,3])$l[-1] $l.subList(1,2) $l.addAll([4]) $l.indexOf(4) $l.clear()$l",
            "3 [2] true 3 []",
        ),
        (
            "#set($m={})$m.put('k','v')$m.put('k','w') $m.k $m.getOrDefault('z',9) $m.remove('k') $m",
            "v w 9 w {}",
        ),
        (
            "#set($m={'a':1})#foreach($e in $m.entrySet())$e.key:$e.getValue():$e#end",
            "a:1:a=1",
        ),
        ("#set($m={})#set($m.a.b=1)#set($m['x y']=2)$m", "{x y=2}"),
        (
            "#set($p=$input.path('$.l'))$p.add('n/')|$p",
            "true|[1,null,\"n\\/\"]",
        ),
    ]);
}

#[test]
fn what_throws_in_java_is_an_error() {
    for (template, error) in [
        ("#set($l=['a'])$l[5]", RenderError::OutOfRange),
        ("#set($l=['a'])$l[-2]", RenderError::OutOfRange),
        ("#set($l=['a'])$l.get(-1)", RenderError::OutOfRange),
        ("#set($l=['a'])#set($l[1]='b')", RenderError::OutOfRange),
        ("#set($s='ab')$s.substring(1,0)", RenderError::OutOfRange),
        ("#set($s='ab')$s.charAt(2)", RenderError::OutOfRange),
        ("#set($n=1)$n.parseInt('x')", RenderError::BadNumber),
        ("$util.parseJson('{')", RenderError::BadJson),
        ("$util.base64Decode('a')", RenderError::BadBase64),
        ("$util.urlDecode('%4')", RenderError::BadUrlEscape),
        ("#include('x')", RenderError::NotAvailable),
        ("#evaluate('#if(')", RenderError::BadTemplate),
    ] {
        assert_eq!(printed(template), Err(error), "{template}");
    }
    each(&[
        ("#set($l=['a'])$l[0] $l[-1]", "a a"),
        (
            "#set($s='ab')$s.substring(2)|$s.substring(1,1)|$s.charAt(1)",
            "||b",
        ),
        ("$util.parseJson('5') $util.base64Decode('YQ')", "5 a"),
    ]);
}

#[test]
fn json_and_texts_print_as_the_reference_does() {
    each(&[
        (
            "$input.json('$.s') $input.path('$.s') $input.json('$.l')",
            "\"a\\/b\" a/b [1,null]",
        ),
        (
            "$input.json('$.n') $input.json('$.l.length()') $input.json('$.x')",
            "12 2 \"\"",
        ),
        (
            "#set($d=1.0E10)$d #set($d=0.001)$d #set($d=1/3.0)$d #set($d=100.0)$d",
            "1.0E100.0010.3333333333333333100.0",
        ),
    ]);
}
