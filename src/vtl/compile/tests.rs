//! What is refused, where and why; and the near misses that are not.

use super::*;

fn refused(template: &str) -> (usize, CompileFault) {
    let error = compile(template).map_err(|error| (error.offset, error.fault));
    error.map(|_| template).unwrap_err()
}

#[test]
fn malformed_templates_are_refused_at_their_place() {
    use CompileFault::*;
    for (template, offset, fault) in [
        ("a #if(true) b", 2, EndMissing),
        ("#if(true)a#else b", 0, EndMissing),
        ("#foreach($x in $y)", 0, EndMissing),
        ("#macro(m)x", 0, EndMissing),
        ("#define($d)x", 0, EndMissing),
        ("x#end", 1, BlockMissing),
        ("a#else", 1, BlockMissing),
        ("#if(true)#else#else#end", 19, BlockMissing),
        ("cost $", 5, SignAtEnd),
        ("a #", 2, SignAtEnd),
        ("#[[ a", 0, TextBlockUnclosed),
        ("${x", 0, BraceUnclosed),
        ("${x.y z}", 0, BraceUnclosed),
        ("#set($x = \"a)", 10, StringUnclosed),
        ("$x.y(1", 6, BracketUnclosed),
        ("$x[1", 4, BracketUnclosed),
        ("#set($x = [1", 12, BracketUnclosed),
        ("#if(true", 8, BracketUnclosed),
        ("#set($x 1)", 8, Unexpected),
        ("#set($x == 1)", 8, Unexpected),
        ("$x.y(1 2)", 7, Unexpected),
        ("#set($x = 3-1)", 11, Unexpected),
        ("#set($x = {\"a\" 1})", 15, Unexpected),
        ("#set($x = [1..2, 3])", 15, Unexpected),
        ("$a[[1]]", 3, Unexpected),
        ("#if()a#end", 4, ValueMissing),
        ("$x.y(1,)", 7, ValueMissing),
        ("#set($x = 1 + )", 14, ValueMissing),
        ("#set($x = null)", 10, ValueMissing),
        ("$x[b]", 3, ValueMissing),
        ("#set($x = [1,])", 13, ValueMissing),
        ("$true", 1, ReservedName),
        ("$a.false", 3, ReservedName),
        ("#macro()a#end", 7, NameMissing),
        ("#foreach $x", 0, ArgumentsMissing),
        ("#if(true)a#elseif b#end", 17, ArgumentsMissing),
        ("#set(a = 1)", 5, NotAssignable),
        ("#set($a.b() = 1)", 5, NotAssignable),
        ("#foreach($a.b in $c)#end", 9, NotAssignable),
        ("#set($x = 99999999999999999999)", 10, NumberTooLong),
        ("#set($x = \"\\u00zz\")", 10, BadEscape),
        ("#set($x = \"#if(true)\")", 10, EndMissing),
    ] {
        assert_eq!(refused(template), (offset, fault), "{template}");
    }
}

#[test]
fn near_misses_of_refusals_compile() {
    for template in [
        "#if(true)b#end",
        "\\#end",
        "$ ",
        "# ",
        "#[[ a ]]#",
        "${x}",
        "${",
        "#set($x = 'a\")')",
        "$x.y(1 , 2)",
        "$x (",
        "$x . y",
        "#set($x = 3 - 1)",
        "#set($x = 3 + -1)",
        "#set($x = [])",
        "$x.y(null)",
        "$truely",
        "$x[ 'b' ]",
        "#foreach",
        "#set",
        "#set $x",
        "#* a",
        "#set($x = \"\\u0041\")",
        "#set($x = 9223372036854775807)",
    ] {
        let compiled = compile(template).map(|_| ());
        if template == "#foreach" {
            assert!(compiled.is_err());
        } else {
            assert_eq!(compiled, Ok(()), "{template}");
        }
    }
}

#[test]
fn nesting_is_limited_when_a_template_is_compiled() {
    let nested = |open: &str, inside: &str, close: &str, depth: usize| {
        compile(&format!(
            "{}{inside}{}",
            open.repeat(depth),
            close.repeat(depth)
        ))
        .map(|_| ())
    };
    for (open, close) in [("#if(true)", "#end"), ("#foreach($x in $y)", "#end")] {
        assert_eq!(nested(open, "x", close, 32), Ok(()));
        let fault = nested(open, "x", close, 33).unwrap_err().fault;
        assert_eq!(fault, CompileFault::NestedTooDeep);
    }
    for (open, inside, close) in [
        ("(", "1", ")"),
        ("[", "", "]"),
        ("!", "$x", ""),
        ("$a.b(", "", ")"),
    ] {
        let text = |depth| {
            format!(
                "#set($x = {}{inside}{})",
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        assert!(compile(&text(20)).is_ok(), "{open}");
        let fault = compile(&text(100_000)).unwrap_err().fault;
        assert_eq!(fault, CompileFault::NestedTooDeep, "{open}");
    }
}

#[test]
fn the_line_is_counted_from_one() {
    let template = "a\r\nb\n #if(x)";
    let error = compile(template).unwrap_err();
    assert_eq!((error.offset, error.line(template)), (10, 3));
}
