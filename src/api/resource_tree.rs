//! Which method of which resource a path selects (spec 03, "Matching").
//!
//! A flat, immutable trie of segments. A node stands at one depth, so a search looks at each node at most once.

use std::collections::BTreeMap;
use std::ops::Range;

use smallvec::SmallVec;

use crate::wire::percent;

/// Most resources have no more path parameters than this, bucket and key; others take storage of their own.
pub const PATH_PARAMETERS_COMMON: usize = 2;

/// Segments of a resource path; the search goes no deeper.
pub const PATH_SEGMENTS_MAX: usize = 100;

/// The methods that an API can name; `ANY` stands for all of them.
pub const HTTP_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// The catch-all method.
pub const ANY: &str = "ANY";

/// One way into the tree.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The resource's path with its braces.
    pub resource_path: &'a str,
    /// One of [`HTTP_METHODS`] or [`ANY`].
    pub http_method: &'a str,
    /// What a match gives back.
    pub method: usize,
}

/// The method that a request selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// [`Route::method`].
    pub method: usize,
    /// The path parameters from left to right: an index for [`ResourceTree::name`] and the raw bytes' place in the path.
    pub path_parameters: SmallVec<[(u16, Range<usize>); PATH_PARAMETERS_COMMON]>,
}

/// The resources of an API.
#[derive(Clone, Debug)]
pub struct ResourceTree {
    nodes: Vec<TreeNode>,
    /// Literal children, grouped by parent and sorted by segment.
    literals: Vec<(Box<[u8]>, usize)>,
    names: Vec<String>,
}

#[derive(Clone, Debug)]
struct TreeNode {
    literals: Range<usize>,
    parameter: Option<Variable>,
    greedy: Option<Variable>,
    explicit: [Option<usize>; HTTP_METHODS.len()],
    any: Option<usize>,
}

/// A `{name}` or `{name+}` child.
#[derive(Clone, Copy, Debug)]
struct Variable {
    name: u16,
    node: usize,
}

/// A segment of a resource path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment<'a> {
    /// Text.
    Literal(&'a str),
    /// `{name}`: one segment.
    Parameter(&'a str),
    /// `{name+}`: the rest.
    Greedy(&'a str),
}

impl<'a> Segment<'a> {
    /// What a segment of a resource path stands for.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        let Some(name) = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
        else {
            return Self::Literal(text);
        };
        name.strip_suffix('+')
            .map_or(Self::Parameter(name), Self::Greedy)
    }
}

impl ResourceTree {
    /// Builds the tree. Of two routes with the same path and method the later one stays.
    #[must_use]
    pub fn new<'a>(routes: impl IntoIterator<Item = Route<'a>>) -> Self {
        let mut root = Branch::default();
        for route in routes {
            let path = trimmed(route.resource_path.as_bytes());
            let text = route.resource_path.get(path).unwrap_or_default();
            let segments = text.split('/').filter(|_| !text.is_empty());
            let mut branch = &mut root;
            for segment in segments.take(PATH_SEGMENTS_MAX) {
                branch = branch.child(Segment::of(segment));
            }
            branch
                .methods
                .insert(route.http_method.to_owned(), route.method);
        }
        let mut tree = Self {
            nodes: Vec::new(),
            literals: Vec::new(),
            names: Vec::new(),
        };
        tree.lay_out(root);
        tree
    }

    /// The method for a path that stands behind the stage, still percent-encoded, and where its parameters are in it.
    #[must_use]
    pub fn find(&self, http_method: &[u8], raw_path: &[u8]) -> Option<RouteMatch> {
        let explicit = HTTP_METHODS
            .iter()
            .position(|known| known.as_bytes() == http_method)?;
        let mut search = Search {
            tree: self,
            path: raw_path,
            explicit,
            path_parameters: SmallVec::new(),
        };
        let rest = trimmed(raw_path);
        let rest = (!rest.is_empty()).then_some(rest);
        let method = search.descend(0, rest)?;
        Some(RouteMatch {
            method,
            path_parameters: search.path_parameters,
        })
    }

    /// The name of a path parameter.
    #[must_use]
    pub fn name(&self, index: u16) -> &str {
        self.names
            .get(usize::from(index))
            .map_or("", String::as_str)
    }

    /// Appends a branch with all below it, depth first; gives its index.
    fn lay_out(&mut self, branch: Branch) -> usize {
        let index = self.nodes.len();
        let method_of = |name: &str| branch.methods.get(name).copied();
        let first = self.literals.len();
        self.nodes.push(TreeNode {
            literals: first..first + branch.literals.len(),
            parameter: None,
            greedy: None,
            explicit: HTTP_METHODS.map(method_of),
            any: method_of(ANY),
        });
        let (segments, children): (Vec<_>, Vec<_>) = branch.literals.into_iter().unzip();
        self.literals
            .extend(segments.into_iter().map(|segment| (segment, index)));
        for (offset, child) in children.into_iter().enumerate() {
            let node = self.lay_out(child);
            if let Some((_, target)) = self.literals.get_mut(first + offset) {
                *target = node;
            }
        }
        let parameter = self.lay_out_variable(branch.parameter);
        let greedy = self.lay_out_variable(branch.greedy);
        if let Some(node) = self.nodes.get_mut(index) {
            node.parameter = parameter;
            node.greedy = greedy;
        }
        index
    }

    fn lay_out_variable(&mut self, variable: Option<(String, Box<Branch>)>) -> Option<Variable> {
        let (name, branch) = variable?;
        let known = self.names.iter().position(|known| *known == name);
        let position = known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        let name = u16::try_from(position).ok()?;
        let node = self.lay_out(*branch);
        Some(Variable { name, node })
    }
}

/// The path without its leading and trailing slashes (spec 03, steps 2 and 3).
fn trimmed(path: &[u8]) -> Range<usize> {
    let slashes = |byte: &&u8| **byte == b'/';
    let leading = path.iter().take_while(slashes).count();
    let trailing = path.iter().rev().take_while(slashes).count();
    leading..(path.len() - trailing).max(leading)
}

/// One request's way through the tree.
struct Search<'a> {
    tree: &'a ResourceTree,
    path: &'a [u8],
    explicit: usize,
    path_parameters: SmallVec<[(u16, Range<usize>); PATH_PARAMETERS_COMMON]>,
}

impl Search<'_> {
    /// The best method at or below a node. `rest` is what is left of the path, without a leading slash;
    /// `None` when nothing is left.
    fn descend(&mut self, node: usize, rest: Option<Range<usize>>) -> Option<usize> {
        let tree = self.tree;
        let node = tree.nodes.get(node)?;
        let Some(rest) = rest else {
            let explicit = node.explicit.get(self.explicit).copied().flatten();
            return explicit.or(node.any);
        };
        let length = memchr::memchr(b'/', self.path.get(rest.clone())?);
        let end = length.map_or(rest.end, |length| rest.start + length);
        let segment = rest.start..end;
        let behind = length.map(|_| end + 1..rest.end);

        let literal = self.literal_child(node, self.path.get(segment.clone())?);
        if let Some(child) = literal
            && let Some(method) = self.descend(child, behind.clone())
        {
            return Some(method);
        }
        if let Some(variable) = node.parameter
            && !segment.is_empty()
            && let Some(method) = self.capture(variable, segment, behind)
        {
            return Some(method);
        }
        self.capture(node.greedy?, rest, None)
    }

    fn capture(
        &mut self,
        variable: Variable,
        value: Range<usize>,
        behind: Option<Range<usize>>,
    ) -> Option<usize> {
        self.path_parameters.push((variable.name, value));
        let method = self.descend(variable.node, behind);
        if method.is_none() {
            self.path_parameters.pop();
        }
        method
    }

    /// Literals compare decoded once (spec 03, step 4); only a segment with an escape is copied for that.
    fn literal_child(&self, node: &TreeNode, segment: &[u8]) -> Option<usize> {
        let literals = self.tree.literals.get(node.literals.clone())?;
        let found =
            |wanted: &[u8]| literals.binary_search_by(|(literal, _)| (**literal).cmp(wanted));
        let index = if memchr::memchr(b'%', segment).is_some() {
            found(&percent::decode(segment))
        } else {
            found(segment)
        };
        literals.get(index.ok()?).map(|(_, child)| *child)
    }
}

/// A node while the tree is built.
#[derive(Default)]
struct Branch {
    literals: BTreeMap<Box<[u8]>, Self>,
    parameter: Option<(String, Box<Self>)>,
    greedy: Option<(String, Box<Self>)>,
    methods: BTreeMap<String, usize>,
}

impl Branch {
    fn child(&mut self, segment: Segment<'_>) -> &mut Self {
        let (slot, name) = match segment {
            Segment::Literal(text) => {
                let decoded = percent::decode(text.as_bytes()).into_boxed_slice();
                return self.literals.entry(decoded).or_default();
            }
            Segment::Parameter(name) => (&mut self.parameter, name),
            Segment::Greedy(name) => (&mut self.greedy, name),
        };
        &mut slot
            .get_or_insert_with(|| (name.to_owned(), Box::default()))
            .1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn tree_of<'a>(routes: &[(&'a str, &'a str)]) -> ResourceTree {
        ResourceTree::new(
            routes
                .iter()
                .enumerate()
                .map(|(method, (path, http))| Route {
                    resource_path: path,
                    http_method: http,
                    method,
                }),
        )
    }

    #[test]
    fn routing_vectors_hold() {
        let text = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/vectors/routes.json"
        ));
        let vectors: Value = serde_json::from_str(text).unwrap();
        let mut cases = 0;
        for set in vectors["sets"].as_array().unwrap() {
            let routes: Vec<(&str, &str)> = set["resources"]
                .as_object()
                .unwrap()
                .iter()
                .flat_map(|(path, methods)| {
                    let methods = methods.as_array().unwrap();
                    methods
                        .iter()
                        .map(move |method| (path.as_str(), method.as_str().unwrap()))
                })
                .collect();
            let tree = tree_of(&routes);
            for case in set["cases"].as_array().unwrap() {
                check_case(&tree, &routes, case);
                cases += 1;
            }
        }
        assert_eq!(cases, 45);
    }

    fn check_case(tree: &ResourceTree, routes: &[(&str, &str)], case: &Value) {
        let path = case["path"].as_str().unwrap().as_bytes();
        let found = tree.find(case["method"].as_str().unwrap().as_bytes(), path);
        let Some(resource) = case["resource"].as_str() else {
            assert_eq!(found, None, "{case}");
            return;
        };
        let found = found.unwrap_or_else(|| panic!("nothing found for {case}"));
        let wanted = (resource, case["matched_method"].as_str().unwrap());
        assert_eq!(routes[found.method], wanted, "{case}");
        let raw: serde_json::Map<String, Value> = found
            .path_parameters
            .iter()
            .map(|(name, range)| {
                let value = String::from_utf8_lossy(&path[range.clone()]);
                (tree.name(*name).to_owned(), Value::from(value))
            })
            .collect();
        let wanted = case["params_raw"].as_object().cloned().unwrap_or_default();
        assert_eq!(raw, wanted, "{case}");
    }

    #[test]
    fn literals_compare_decoded_once_on_both_sides() {
        let tree = tree_of(&[("/a%20b", "GET"), ("/c", "GET")]);
        for path in ["/a%20b", "/%61%20b", "/a b"] {
            assert_eq!(
                tree.find(b"GET", path.as_bytes()).unwrap().method,
                0,
                "{path}"
            );
        }
        assert_eq!(tree.find(b"GET", b"/%63").unwrap().method, 1);
        assert_eq!(tree.find(b"GET", b"/%2563"), None);
        assert_eq!(tree.find(b"GET", b"/a%2520b"), None);
    }

    #[test]
    fn an_empty_segment_fills_no_parameter_but_may_be_in_a_greedy_value() {
        let tree = tree_of(&[("/{a}/{b}", "GET"), ("/x/{rest+}", "GET")]);
        assert_eq!(tree.find(b"GET", b"/y//"), None);
        assert_eq!(tree.find(b"GET", b"/y//z"), None);
        let found = tree.find(b"GET", b"/x//z").unwrap();
        assert_eq!(
            (found.method, found.path_parameters[0].1.clone()),
            (1, 3..5)
        );
    }

    #[test]
    fn a_failed_branch_leaves_no_parameter_behind() {
        let tree = tree_of(&[("/{a}/{b}/x", "GET"), ("/{rest+}", "GET")]);
        let found = tree.find(b"GET", b"/1/2/y").unwrap();
        assert_eq!(found.path_parameters.len(), 1);
        assert_eq!(tree.name(found.path_parameters[0].0), "rest");
    }

    /// Filters all routes by path and method, then takes the best by rank per segment.
    fn naive(routes: &[(String, &str)], method: &str, path: &str) -> Option<usize> {
        let trimmed = path.trim_matches('/');
        let segments: Vec<&str> = trimmed.split('/').filter(|_| !trimmed.is_empty()).collect();
        let candidates = routes
            .iter()
            .enumerate()
            .filter_map(|(index, (resource, http))| {
                if *http != method && *http != ANY {
                    return None;
                }
                let mut rank = ranks(resource, &segments)?;
                rank.push(u8::from(*http == ANY));
                Some((rank, index))
            });
        candidates.min().map(|(_, index)| index)
    }

    fn ranks(resource: &str, segments: &[&str]) -> Option<Vec<u8>> {
        let resource = resource.trim_matches('/');
        let wanted: Vec<Segment<'_>> = resource
            .split('/')
            .filter(|_| !resource.is_empty())
            .map(Segment::of)
            .collect();
        let greedy = matches!(wanted.last(), Some(Segment::Greedy(_)));
        let fits = if greedy {
            segments.len() >= wanted.len()
        } else {
            segments.len() == wanted.len()
        };
        if !fits {
            return None;
        }
        let pairs = wanted.iter().zip(segments);
        pairs
            .map(|(wanted, given)| match wanted {
                Segment::Literal(text) => (text == given).then_some(0),
                Segment::Parameter(_) => (!given.is_empty()).then_some(1),
                Segment::Greedy(_) => Some(2),
            })
            .collect()
    }

    fn resource_path() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("{p}")];
        let last = prop_oneof![Just(""), Just("/a"), Just("/{p}"), Just("/{r+}")];
        (proptest::collection::vec(segment, 0..4), last)
            .prop_map(|(segments, last)| {
                let path: String = segments
                    .iter()
                    .map(|segment| format!("/{segment}"))
                    .collect();
                path + last
            })
            .prop_map(|path| {
                if path.is_empty() {
                    "/".to_owned()
                } else {
                    path
                }
            })
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_a_search_through_all_routes(
            resources in proptest::collection::btree_set((resource_path(), prop_oneof![Just("GET"), Just("PUT"), Just(ANY)]), 0..12),
            path in "(/|a|b|c){0,9}",
            method in prop_oneof![Just("GET"), Just("PUT"), Just("HEAD")],
        ) {
            let routes: Vec<(String, &str)> = resources.into_iter().collect();
            let borrowed: Vec<(&str, &str)> = routes.iter().map(|(path, http)| (path.as_str(), *http)).collect();
            let found = tree_of(&borrowed).find(method.as_bytes(), path.as_bytes());
            prop_assert_eq!(found.map(|found| found.method), naive(&routes, method, &path));
        }

        #[test]
        fn no_path_panics(path in proptest::collection::vec(any::<u8>(), 0..40)) {
            let tree = tree_of(&[("/a/{b}", "ANY"), ("/a/{b}/{c+}", "GET"), ("/", "GET")]);
            for range in tree.find(b"GET", &path).into_iter().flat_map(|found| found.path_parameters) {
                prop_assert!(path.get(range.1).is_some());
            }
        }
    }
}
