//! Why a request is not another method's: for people who ask, not for requests.

use crate::api::model::Method;
use crate::api::resource_tree::{ANY, Segment};
use crate::api::table::Table;
use crate::pipeline::route::staged_path;
use crate::wire::http1::head::RequestHead;
use crate::wire::percent;

/// A method whose resource fits the path, and why it does not serve the request.
#[derive(Clone, Debug)]
pub struct Candidate<'t> {
    /// The method.
    pub method: &'t Method,
    /// Why another one serves, or none.
    pub reason: String,
}

/// The methods of fitting resources that do not serve a request; `taken` is the position of the one that does.
#[must_use]
pub fn candidates<'t>(
    table: &'t Table,
    head: &RequestHead,
    taken: Option<usize>,
) -> Vec<Candidate<'t>> {
    let Some(path) = behind_stage(table, head) else {
        return Vec::new();
    };
    let name = String::from_utf8_lossy(head.method()).into_owned();
    let taken = taken.and_then(|index| Some((index, table.methods.get(index)?)));
    let others = table.methods.iter().enumerate();
    let others = others.filter(|(index, _)| taken.is_none_or(|(taken, _)| taken != *index));
    others
        .filter(|(_, method)| fits(&method.resource_path, path))
        .filter_map(|(_, method)| {
            let reason = reason(method, taken.map(|(_, taken)| taken), &name)?;
            Some(Candidate { method, reason })
        })
        .collect()
}

fn behind_stage<'h>(table: &Table, head: &'h RequestHead) -> Option<&'h [u8]> {
    let path = staged_path(table, head)?;
    path.strip_prefix(b"/")?
        .strip_prefix(table.stage.as_bytes())
}

fn reason(method: &Method, taken: Option<&Method>, name: &str) -> Option<String> {
    let takes = method.http_method == name || method.http_method == ANY;
    let Some(taken) = taken else {
        return (!takes).then(|| format!("takes no {name}"));
    };
    if method.resource_path == taken.resource_path {
        // Of one resource only `ANY` could have served as well.
        return takes.then(|| format!("a method of its own comes before {ANY}"));
    }
    if !takes {
        return decided(&method.resource_path, &taken.resource_path)
            .is_some_and(|(mine, other)| mine < other)
            .then(|| format!("takes no {name}, so that the next resource that fits is asked"));
    }
    let (mine, other) = decided(&method.resource_path, &taken.resource_path)?;
    Some(format!("`{}` comes before `{}`", shown(other), shown(mine)))
}

/// The first segments in which two resources that fit one path differ.
fn decided<'p>(mine: &'p str, other: &'p str) -> Option<(Segment<'p>, Segment<'p>)> {
    let pairs = segments(mine).zip(segments(other));
    pairs
        .map(|(mine, other)| (Segment::of(mine), Segment::of(other)))
        .find(|(mine, other)| std::mem::discriminant(mine) != std::mem::discriminant(other))
}

fn shown(segment: Segment<'_>) -> String {
    match segment {
        Segment::Literal(text) => text.to_owned(),
        Segment::Parameter(name) => format!("{{{name}}}"),
        Segment::Greedy(name) => format!("{{{name}+}}"),
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_matches('/');
    path.split('/').filter(move |_| !path.is_empty())
}

/// Whether a resource could take the raw path behind the stage.
fn fits(resource_path: &str, path: &[u8]) -> bool {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let leading = path.iter().take_while(|&&byte| byte == b'/').count();
    let path = path.get(leading..).unwrap_or_default();
    let trailing = path.iter().rev().take_while(|&&byte| byte == b'/').count();
    let path = path.get(..path.len() - trailing).unwrap_or_default();
    let mut given = path
        .split(|&byte| byte == b'/')
        .filter(|_| !path.is_empty());
    for segment in segments(resource_path) {
        let Some(value) = given.next() else {
            return false;
        };
        match Segment::of(segment) {
            Segment::Greedy(_) => return true,
            Segment::Parameter(_) if !value.is_empty() => {}
            Segment::Literal(text) if percent::decode(value) == text.as_bytes() => {}
            Segment::Parameter(_) | Segment::Literal(_) => return false,
        }
    }
    given.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::openapi::{ImportOptions, import};
    use crate::pipeline::route::{Route, route};
    use crate::pipeline::sample;

    /// `METHOD /resource: reason` of those that do not serve.
    fn told(method: &str, target: &str) -> Vec<String> {
        let operation = json!({"x-amazon-apigateway-integration": {
            "type": "mock", "responses": {"default": {"statusCode": "200"}},
        }, "responses": {"200": {}}});
        let resource = |methods: &[&str]| -> serde_json::Value {
            let methods = methods.iter();
            let methods = methods.map(|name| ((*name).to_owned(), operation.clone()));
            methods.collect::<serde_json::Map<_, _>>().into()
        };
        let document = json!({"paths": {
            "/a": resource(&["get"]),
            "/{one}": resource(&["get", "put", "x-amazon-apigateway-any-method"]),
        }});
        let mut whole = json!({"swagger": "2.0", "info": {"title": "sample", "version": "1"}});
        whole["paths"] = document["paths"].clone();
        let options = ImportOptions {
            stage: Some("v1".to_owned()),
            ..ImportOptions::default()
        };
        let table = import("sample.json", &whole.to_string(), &options)
            .unwrap()
            .table;
        let head = sample::head(method, target, &[]);
        let taken = match route(&table, &head) {
            Ok(Route::Method(routed)) => Some(routed.method_index()),
            _ => None,
        };
        let told = candidates(&table, &head, taken);
        let line = |told: &Candidate<'_>| {
            format!(
                "{} {}: {}",
                told.method.http_method, told.method.resource_path, told.reason
            )
        };
        told.iter().map(line).collect()
    }

    #[test]
    fn what_did_not_serve_says_why() {
        let mut of_get = told("GET", "/v1/a");
        of_get.sort();
        assert_eq!(
            of_get,
            [
                "ANY /{one}: `a` comes before `{one}`",
                "GET /{one}: `a` comes before `{one}`",
            ]
        );
        let mut of_put = told("PUT", "/v1/a/");
        of_put.sort();
        assert_eq!(
            of_put,
            [
                "ANY /{one}: a method of its own comes before ANY",
                "GET /a: takes no PUT, so that the next resource that fits is asked",
            ]
        );
        assert_eq!(told("GET", "/v1/a/b"), Vec::<String>::new());
        assert_eq!(told("GET", "/v2/a"), Vec::<String>::new());
    }
}
