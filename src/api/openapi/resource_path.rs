//! The paths of a document: their syntax, and the rules that bind them together (spec 01, "Paths and methods").

use std::collections::{HashMap, HashSet};

use crate::api::integration_uri::is_parameter_name;
use crate::api::openapi::base_path;
use crate::api::openapi::document::{Document, object};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, shortened, shown};
use crate::api::resource_tree::{PATH_SEGMENTS_MAX, Segment};

/// Resources of an API (spec 11).
const RESOURCES_MAX: usize = 300;

/// A path of the document.
#[derive(Clone, Debug)]
pub struct Resource<'d> {
    /// With the base path as the import mode wants it; no trailing slash but for the root.
    pub path: String,
    /// The path item, its reference followed.
    pub item: Place<'d>,
    /// Whether the path is without fault; only then has it a place in the tree.
    pub sound: bool,
}

impl Resource<'_> {
    /// The names of the path's variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.path
            .split('/')
            .filter_map(|segment| match Segment::of(segment) {
                Segment::Literal(_) => None,
                Segment::Parameter(name) | Segment::Greedy(name) => Some(name),
            })
    }
}

/// Reads all paths; those with faults are marked, so that their operations are read as well.
pub fn read<'d>(document: &Document<'d>, findings: &mut Findings) -> Vec<Resource<'d>> {
    let Some(paths) = object(&document.root, "paths", findings) else {
        findings.warn(
            &document.root,
            Code::EmptyApi.says("found no `paths`: the API answers nothing"),
        );
        return Vec::new();
    };
    let prefix = base_path::prefix(document);
    let mut siblings = Siblings::default();
    let mut resources = Vec::new();
    for (name, item) in paths.members() {
        if name.starts_with("x-") {
            continue;
        }
        let segments = segments(name, &prefix);
        let sound = segments_fit(name, &segments, &item, findings)
            && siblings.admit(&segments, &item, findings);
        let path = format!("/{}", segments.join("/"));
        if let Some(item) = document.follow(item, findings) {
            resources.push(Resource { path, item, sound });
        }
    }
    let count = siblings.prefixes.len() + 1;
    if count > RESOURCES_MAX {
        findings.warn(
            &paths,
            Code::TooManyResources.says(format!(
                "found {count} resources; API Gateway allows {RESOURCES_MAX}"
            )),
        );
    }
    resources
}

fn segments<'d>(name: &'d str, prefix: &[&'d str]) -> Vec<&'d str> {
    let path = name.strip_prefix('/').unwrap_or(name);
    let path = path.strip_suffix('/').unwrap_or(path);
    let own = path.split('/').filter(|_| !path.is_empty());
    prefix.iter().copied().chain(own).collect()
}

/// Whether a path can stand in a tree by itself.
fn segments_fit(name: &str, segments: &[&str], item: &Place<'_>, findings: &mut Findings) -> bool {
    if !name.starts_with('/') {
        let found = shortened(name);
        findings.error_in_name(
            item,
            format!("found the path `{found}`, wanted one that begins with `/`"),
        );
        return false;
    }
    if segments.len() > PATH_SEGMENTS_MAX {
        let found = segments.len();
        findings.error_in_name(
            item,
            format!("found a path of {found} segments, wanted at most {PATH_SEGMENTS_MAX}"),
        );
        return false;
    }
    let mut names = HashSet::new();
    let faults: Vec<String> = segments
        .iter()
        .enumerate()
        .filter_map(|(index, segment)| {
            let last = index + 1 == segments.len();
            segment_fault(segment, last, &mut names)
        })
        .collect();
    for fault in &faults {
        findings.error_in_name(item, fault.as_str());
    }
    faults.is_empty()
}

fn segment_fault<'d>(segment: &'d str, last: bool, names: &mut HashSet<&'d str>) -> Option<String> {
    let name = match Segment::of(segment) {
        Segment::Literal(text) => return literal_fault(text),
        Segment::Greedy(_) if !last => {
            return Some(format!(
                "Cannot create a child of a resource with a greedy path variable: {}",
                shortened(segment)
            ));
        }
        Segment::Parameter(name) | Segment::Greedy(name) => name,
    };
    if !is_parameter_name(name) {
        return Some(format!(
            "found the segment `{}`, wanted `{{name}}` or `{{name+}}` with a name of letters, digits and `.`, `_`, `$`, `-`",
            shortened(segment)
        ));
    }
    let repeated = !names.insert(name);
    repeated.then(|| format!("found the variable `{name}` twice in one path, wanted once"))
}

fn literal_fault(text: &str) -> Option<String> {
    let found = shortened(text);
    if text.is_empty() {
        return Some("found an empty segment in the path, wanted none".to_owned());
    }
    if text.contains(['{', '}']) {
        return Some(format!(
            "found the segment `{found}`, wanted a variable to be a whole segment"
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ',' | ':');
    let stranger = text.chars().find(|&c| !allowed(c))?;
    Some(format!(
        "found `{}` in the segment `{found}`, wanted letters, digits and `_ - . , :`",
        shown(stranger)
    ))
}

/// What earlier paths made of the tree.
#[derive(Default)]
struct Siblings {
    /// The variable child of each parent path.
    variables: HashMap<String, String>,
    /// Every resource but the root, with its parents.
    prefixes: HashSet<String>,
    /// The paths that the document names.
    declared: HashSet<String>,
}

impl Siblings {
    /// Whether the path fits in beside the earlier ones.
    fn admit(&mut self, segments: &[&str], item: &Place<'_>, findings: &mut Findings) -> bool {
        let mut parent = String::new();
        for segment in segments {
            if !matches!(Segment::of(segment), Segment::Literal(_)) {
                let sibling = self
                    .variables
                    .entry(parent.clone())
                    .or_insert_with(|| (*segment).to_owned());
                if sibling != segment {
                    findings.error_in_name(
                        item,
                        format!(
                            "A sibling ({sibling}) of this resource already has a variable path part -- only one is allowed"
                        ),
                    );
                    return false;
                }
            }
            parent.push('/');
            parent.push_str(segment);
            self.prefixes.insert(parent.clone());
        }
        if !self.declared.insert(parent) {
            findings.error_in_name(item, "found the same path twice, wanted once");
            return false;
        }
        true
    }
}
