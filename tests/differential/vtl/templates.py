"""Makes mapping templates by a grammar: the same seed makes the same templates."""

import json
import random

NAMES = ["a", "b", "c", "item", "x-y"]
BODIES = [
    '{"s":"te\\"xt/é","n":5,"f":1.5,"t":true,"z":null,"l":[1,"two",{"k":"v"},[3]],"o":{"k":"v","in":{"d":[{"p":1},{"p":2}]}},"e":{},"el":[]}',
    "[1,2,{\"s\":\"x\"}]",
    '"just text"',
    "",
    "not json",
    '{"s":"a,b,,c","l":["x","y"],"o":{"k":[]}}',
]
PATHS = [
    "$", "$.s", "$.n", "$.f", "$.t", "$.z", "$.l", "$.l[0]", "$.l[1]", "$.l[2].k", "$.l[-1]", "$.l[0:2]", "$.l[*]",
    "$.o", "$.o.k", "$.o.in.d[*].p", "$.o['k']", "$..k", "$..p", "$.o.in.d[?(@.p==1)]", "$.o.in.d[?(@.p > 1)].p",
    "$.nope", "$.nope.more", "$.l.length()", "s", "$['s']", "$.o.*", "$.e", "$.el", "$[0]", "$[2].s", "$.l[1,0]", "$.l[9]",
]
STRINGS = ["", "a", "abc", "a,b,,c,,", "1", "Mixed Case", " pad ", "x/y", "q\"q", "é\u2028<", "10", "true", "a1b22"]
TEXTS = ["", " ", "\n", "x", "text ", "{\"k\": ", "}", ", ", "[", "]", "$ ", "$5 ", "#x ", "a.b", "\t", "\r\n", ":", "# ", "€", "-", "."]
REGEXES = ["a", "[a-c]", ",", "\\d+", "(b)(.)?", "^a", "z*", "\\s", "."]
TEXT_METHODS = [
    "length()", "isEmpty()", "trim()", "toLowerCase()", "toUpperCase()", "substring({i})", "substring({i},{i})",
    "indexOf({s})", "indexOf({s},{i})", "lastIndexOf({s})", "contains({s})", "startsWith({s})", "endsWith({s})",
    "equals({s})", "equalsIgnoreCase({s})", "compareTo({s})", "concat({s})", "charAt({i})", "replace({s},{s})",
    "replaceAll({r},{s})", "replaceFirst({r},{s})", "matches({r})", "split({r})", "split({r},{i})", "toString()", "hashCode()",
]
LIST_METHODS = [
    "size()", "isEmpty()", "get({i})", "contains({v})", "indexOf({v})", "add({v})", "add({i},{v})", "addAll([{v}])",
    "set({i},{v})", "remove({i})", "clear()", "subList({i},{i})", "toString()", "equals({v})",
]
MAP_METHODS = [
    "size()", "isEmpty()", "get({s})", "getOrDefault({s},{v})", "containsKey({s})", "containsValue({v})", "put({s},{v})",
    "remove({s})", "keySet()", "values()", "entrySet()", "toString()",
]
NUMBER_METHODS = ["toString()", "intValue()", "longValue()", "doubleValue()", "compareTo({n})", "equals({n})", "parseInt({d})"]
UTIL = [
    "escapeJavaScript({v})", "urlEncode({s})", "urlDecode({s})", "base64Encode({s})", "parseJson({j})", "base64Decode('YWJj')",
]
JSONS = ["'{\"a\":[1,{\"b\":null}],\"c\":\"d/e\"}'", "'[1,2.0,true]'", "'\"t\"'", "'5'", "$input.body", "$input.json('$')"]


class Maker:
    """One template."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.serial = seed.replace(".", "s")
        self.depth = 0
        self.macros = 0

    def template(self):
        count = self.r.randint(1, 7)
        return "".join(self.statement() for _ in range(count))

    def block(self):
        self.depth += 1
        made = "".join(self.statement() for _ in range(self.r.randint(0, 3)))
        self.depth -= 1
        return made

    def gap(self):
        return self.r.choice(["", "", "", " ", "\n", "  \n", "\t", "\r\n"])

    def statement(self):
        r = self.r
        kinds = ["text"] * 3 + ["ref"] * 5 + ["set"] * 5 + ["if"] * 3
        if self.depth < 3:
            kinds += ["foreach"] * 2 + ["define", "evaluate", "macro", "odd", "comment"]
        kind = r.choice(kinds)
        if kind == "text":
            return r.choice(TEXTS) + r.choice(TEXTS)
        if kind == "ref":
            return self.printed()
        if kind == "set":
            return f"{self.gap()}#set({r.choice(['', ' '])}{self.target()} = {self.expression(0)}){self.gap()}"
        if kind == "if":
            made = f"#if({self.expression(0)}){self.gap()}{self.block()}"
            if r.random() < 0.3:
                made += f"#elseif({self.expression(0)}){self.gap()}{self.block()}"
            if r.random() < 0.5:
                made += f"{r.choice(['#else ', '#{else}', chr(10) + '#else' + chr(10)])}{self.block()}"
            return made + r.choice(["#end", "#{end}", "#end\n", "#end "])
        if kind == "foreach":
            name = r.choice(NAMES)
            inner = r.choice(["", "$foreach.index", "$foreach.count", "#if($foreach.hasNext),#end", "$velocityCount", "#if($foreach.first)^#end#if($foreach.last)!#end", "#break ", "$foreach.parent.index"])
            return f"#foreach(${name} in {self.collection()}){self.gap()}${{{name}}}{inner}{self.block()}#end{self.gap()}"
        if kind == "define":
            return f"#define($d){self.block()}#end$d{self.gap()}"
        if kind == "evaluate":
            return f"#evaluate({r.choice(['$a', chr(39) + '[$a]' + chr(39), '$input.body', chr(34) + 'x$b' + chr(34)])})"
        if kind == "macro":
            # of its own: the reference keeps the macros of all templates, the first of a name
            self.macros += 1
            name = f"m{self.serial}n{self.macros}"
            return f"#macro({name} $p)<$p>{self.block()}#end#{name}({self.simple()}){self.gap()}"
        if kind == "comment":
            return r.choice(["## note $a\n", "#* $a #if *#", "#[[ $a #if ]]#", "##\n"])
        return r.choice(["\\$a", "$!a", "${a}b", "$!{nope}", "$a.", "$a.b.c", "$a-b", "\\#if", "$$a", "#stop", "$a[0]", "$a[0].k", "$a['k']", "$null", "$a.class", "$input", "#", "$nope.size()", "\\\\$a", "$!", "${", "$a.nope()", "#end"])

    def target(self):
        r = self.r
        name = r.choice(NAMES)
        return r.choice([f"${name}"] * 6 + [f"${name}.k", f"${name}['k']", f"${name}[0]", "$context.requestOverride.header.h", "$context.responseOverride.status", "$context.responseOverride.header['n']"])

    def printed(self):
        r = self.r
        what = r.choice(["var", "var", "call", "call", "input", "input", "util", "context"])
        if what == "var":
            return r.choice(["${0}", "${{{0}}}", "$!{0}", "$!{{{0}}}"]).format(r.choice(NAMES))
        if what == "call":
            return f"${r.choice(NAMES)}.{self.method()}"
        if what == "input":
            return self.input()
        if what == "util":
            return f"$util.{self.fill(r.choice(UTIL))}"
        return r.choice(["$context.stage", "$context.identity.sourceIp", "$stageVariables.v", "$stageVariables['v']", "$context.nope", "$stageVariables.nope", "$context.identity.nope.x"])

    def input(self):
        r = self.r
        path = r.choice(PATHS)
        quoted = f'"{path}"' if "'" in path else r.choice([f"'{path}'", f'"{path}"'])
        return r.choice([
            f"$input.path({quoted})", f"$input.path({quoted})", f"$input.json({quoted})", f"$input.json({quoted})",
            "$input.body", "$input.params('q')", "$input.params('nope')", "$input.params().header", "$input.params().path.p",
            "$input.params().querystring.get('q')", f"$input.path({quoted}).size()", f"$input.path({quoted}).k", f"$input.path({quoted})[0]",
        ])

    def method(self):
        r = self.r
        return self.fill(r.choice(r.choice([TEXT_METHODS, LIST_METHODS, MAP_METHODS, NUMBER_METHODS])))

    def fill(self, call):
        for hole, make in [
            ("{i}", lambda: str(self.r.randint(-1, 4))), ("{s}", self.text), ("{r}", lambda: f"'{self.r.choice(REGEXES)}'"),
            ("{v}", self.simple), ("{n}", self.number), ("{d}", lambda: self.r.choice(["'7'", "'x'", "'-12'"])),
            ("{j}", lambda: self.r.choice(JSONS)),
        ]:
            while hole in call:
                call = call.replace(hole, make(), 1)
        return call

    def text(self):
        r = self.r
        text = r.choice(STRINGS)
        if r.random() < 0.3:
            return '"' + text.replace('"', '""') + r.choice(["", "$a", "${b}", "$nope", "$input.path('$.n')", "#if(true)y#end"]) + '"'
        return f"'{text}'"

    def number(self):
        return self.r.choice(["0", "1", "2", "-1", "10", "1.5", "2.0", "100", "2147483648", "0.1"])

    def simple(self):
        r = self.r
        return r.choice([self.text, self.number, lambda: f"${r.choice(NAMES)}", lambda: r.choice(["true", "false"]), self.input])()

    def collection(self):
        r = self.r
        return r.choice([
            f"${r.choice(NAMES)}", "[1..3]", "[2..$b]", "[3..1]", f"[{self.simple()}, {self.simple()}]", "$input.path('$.l')",
            "$input.path('$.o').keySet()", "$input.path('$.o').entrySet()", "$input.path('$.o')", "$input.params().header.keySet()",
            "$a.split(',')", "'text'", "$nope", "{'k':'v','w':[1]}", "$input.path('$.o.in.d[*].p')", "$a.values()",
        ])

    def expression(self, depth):
        r = self.r
        if depth > 2 or r.random() < 0.35:
            return self.simple()
        kind = r.choice(["arith", "compare", "logic", "not", "list", "map", "range", "call", "group", "util"])
        below = lambda: self.expression(depth + 1)
        if kind == "arith":
            return f"{below()} {r.choice(['+', '+', '-', '*', '/', '%'])} {below()}"
        if kind == "compare":
            return f"{below()} {r.choice(['==', '!=', '<', '>', '<=', '>=', 'eq', 'ne', 'lt', 'gt', 'le', 'ge'])} {below()}"
        if kind == "logic":
            return f"{below()} {r.choice(['&&', '||', 'and', 'or'])} {below()}"
        if kind == "not":
            return f"{r.choice(['!', 'not '])}{self.simple()}"
        if kind == "list":
            return "[" + ", ".join(self.simple() for _ in range(r.randint(0, 3))) + "]"
        if kind == "map":
            return "{" + ", ".join(f"'{k}': {self.simple()}" for k in r.sample(["k", "l", "m"], r.randint(0, 3))) + "}"
        if kind == "range":
            return f"[{r.randint(-2, 3)}..{r.randint(-2, 4)}]"
        if kind == "call":
            return f"${r.choice(NAMES)}.{self.method()}"
        if kind == "util":
            return f"$util.{self.fill(r.choice(UTIL))}"
        return f"({below()})"


def row(seed):
    """One row of the reference's input."""
    maker = Maker(seed)
    return {
        "name": f"generated-{seed}",
        "template": maker.template(),
        "body": maker.r.choice(BODIES),
        "params": {"path": {"p": "pp"}, "querystring": {"q": "1&2"}, "header": {"X-A": "h", "Accept": "*/*"}},
        "context": {"stage": "dev", "identity": {"sourceIp": "192.0.2.1"}},
        "stageVariables": {"v": "w"},
    }


def rows(seed, count):
    """That many rows."""
    return [row(f"{seed}.{number}") for number in range(count)]


if __name__ == "__main__":
    print(json.dumps(rows(0, 10), indent=1))
