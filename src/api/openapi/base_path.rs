//! The base path: what it does to resources, and the stage that it names (spec 01, "basePath").

use crate::api::openapi::document::{Document, Version, scalar};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::{Place, shortened};

/// Bytes of a stage's name (spec 03, "Stage").
const STAGE_BYTES_MAX: usize = 128;

/// The `basepath` parameter of API Gateway's import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BasePathMode {
    /// The base path is left out.
    #[default]
    Ignore,
    /// Its segments become resources.
    Prepend,
    /// Its first segment is left out, the others become resources.
    Split,
}

/// The segments that stand before every path of the document.
#[must_use]
pub fn prefix<'d>(document: &Document<'d>) -> Vec<&'d str> {
    let segments = segments(document);
    match document.options.base_path {
        BasePathMode::Ignore => Vec::new(),
        BasePathMode::Prepend => segments,
        BasePathMode::Split => segments.into_iter().skip(1).collect(),
    }
}

/// The stage: as asked for, else the first segment of the base path.
pub fn stage(document: &Document<'_>, findings: &mut Findings) -> Option<String> {
    let asked = document.options.stage.as_deref();
    let place = base_path(document).map_or_else(|| document.root.clone(), |(place, _)| place);
    let Some(stage) = asked.or_else(|| segments(document).first().copied()) else {
        findings.error(
            &document.root,
            "found no base path to name the stage, wanted one or a stage name (`--stage`)",
        );
        return None;
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if stage.is_empty() || stage.len() > STAGE_BYTES_MAX || !stage.bytes().all(allowed) {
        let place = if asked.is_some() {
            &document.root
        } else {
            &place
        };
        findings.error(
            place,
            format!(
                "found the stage name `{}`, wanted 1 to {STAGE_BYTES_MAX} letters, digits, `-` and `_` (`--stage`)",
                shortened(stage)
            ),
        );
        return None;
    }
    Some(stage.to_owned())
}

fn segments<'d>(document: &Document<'d>) -> Vec<&'d str> {
    let path = base_path(document).map_or("", |(_, path)| path);
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .collect()
}

/// `basePath`, or what stands for it in OpenAPI 3: the default of the first server variable of that name, else the
/// path of the first server's URL.
fn base_path<'d>(document: &Document<'d>) -> Option<(Place<'d>, &'d str)> {
    if document.version == Version::Swagger2 {
        let place = document.root.member("basePath")?;
        let path = scalar(&place)?;
        return Some((place, path));
    }
    let servers = document.root.member("servers")?;
    let variable = servers.elements().find_map(|server| {
        server
            .member("variables")?
            .member("basePath")?
            .member("default")
    });
    if let Some(place) = variable {
        let path = scalar(&place)?;
        return Some((place, path));
    }
    let place = servers.elements().next()?.member("url")?;
    let url = scalar(&place)?;
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..))?,
        None => url,
    };
    Some((place, path))
}
