//! Where in the store a request goes: host, path and query on the wire (spec 03, "From parameter to S3 path").

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use crate::api::model::IntegrationKind;
use crate::api::model::S3Uri;
use crate::api::model::UriPart;
use crate::api::model::UriTemplate;
use crate::api::resource_tree::PATH_PARAMETERS_COMMON;
use crate::api::table::Table;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::request_mapping::MappedValues;
use crate::wire::percent;
use crate::wire::percent::Keep;

/// How a bucket that stands beside the path is addressed: `{subdomain}.s3` of a URI, or `--s3-bucket`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressing {
    /// `/bucket` before the path.
    #[default]
    Path,
    /// `bucket.` before the authority.
    VirtualHost,
}

/// The store as all requests of one document address it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress {
    authority: String,
    addressing: Addressing,
    /// Only there if the document's URIs need it.
    bucket: Option<String>,
}

impl StoreAddress {
    /// `authority` is host and, if it is not the default one, port; `bucket` is `--s3-bucket`.
    ///
    /// `bucket` counts for an API that addresses objects by one placeholder, `s3:path/{key}`, whatever its name. If any
    /// `s3:path` URI of the document has a second path segment (`{bucket}/{object}`, `photos/{key}`), the document
    /// names its buckets by itself: then `s3:path/{x}` is taken for a bucket and `bucket` has no effect. URIs with
    /// `{subdomain}.s3`, with a literal first segment or without any segment never get it.
    #[must_use]
    pub fn new(
        authority: &str,
        addressing: Addressing,
        bucket: Option<&str>,
        table: &Table,
    ) -> Self {
        let bucket = bucket.filter(|_| !names_buckets(table));
        Self {
            authority: authority.to_owned(),
            addressing,
            bucket: bucket.map(str::to_owned),
        }
    }

    /// Whether `--s3-bucket` takes part.
    #[must_use]
    pub const fn uses_bucket(&self) -> bool {
        self.bucket.is_some()
    }
}

/// Bytes that most paths have no more of.
const PATH_BYTES_COMMON: usize = 256;

/// Where in a filled text the values are.
pub(super) type Filled = SmallVec<[Range<usize>; PATH_PARAMETERS_COMMON]>;

/// A place in the store, as it goes on the wire and into the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePath<'t> {
    /// The Host field.
    pub host: Cow<'t, str>,
    /// Percent-encoded, with a leading slash.
    pub path: Vec<u8>,
    /// Percent-encoded, without `?`; empty for none.
    pub query: Vec<u8>,
    /// Whether the bucket is in `host` and the whole path is the key.
    pub bucket_in_host: bool,
}

impl StorePath<'_> {
    /// The bucket that `host` names; empty if that cannot be told.
    #[must_use]
    pub fn host_bucket(&self, store: &StoreAddress) -> Option<&str> {
        let bucket = || self.host.strip_suffix(&store.authority)?.strip_suffix('.');
        self.bucket_in_host.then(|| bucket().unwrap_or_default())
    }

    /// Whether the path names a bucket and a key in it.
    #[must_use]
    pub fn names_object(&self) -> bool {
        let after_slash = self.path.get(1..).unwrap_or_default();
        let key = if self.bucket_in_host {
            Some(after_slash)
        } else {
            let slash = after_slash
                .iter()
                .position(|&byte| byte == b'/')
                .filter(|&at| at > 0);
            slash.and_then(|at| after_slash.get(at + 1..))
        };
        key.is_some_and(|key| !key.is_empty())
    }
}

/// Fills the URI's placeholders with `values` and appends `query` to the URI's own.
///
/// # Errors
/// A placeholder without value, and literal text that cannot stand in a request line, are 500; a segment that becomes
/// `.` or `..` by filling is 400.
pub fn store_path<'t>(
    store: &'t StoreAddress,
    uri: &'t S3Uri,
    values: &MappedValues<'_>,
    query: &MappedValues<'_>,
) -> Result<StorePath<'t>, GatewayFault> {
    let prefix = || {
        store
            .bucket
            .as_deref()
            .filter(|_| !uri.names_bucket && is_one_placeholder(&uri.path))
    };
    let bucket = uri.bucket.as_deref().or_else(prefix);
    let bucket_in_host =
        store.addressing == Addressing::VirtualHost && bucket.is_some_and(fits_host);
    let mut path = Vec::with_capacity(PATH_BYTES_COMMON);
    let host = match bucket {
        Some(bucket) if bucket_in_host => Cow::Owned(format!("{bucket}.{}", store.authority)),
        Some(bucket) => {
            path.push(b'/');
            percent::encode_into(&mut path, bucket.as_bytes(), Keep::Unreserved);
            Cow::Borrowed(store.authority.as_str())
        }
        None => Cow::Borrowed(store.authority.as_str()),
    };
    let filled = fill(&mut path, &uri.path, values, Keep::UnreservedAndSlash)?;
    if walks(&path, &filled) {
        return Err(GatewayFault::invalid_path());
    }
    let mut wire_query = Vec::new();
    fill(&mut wire_query, &uri.query, values, Keep::Unreserved)?;
    for (name, value) in query.iter() {
        append_query(&mut wire_query, name.as_bytes(), value);
    }
    let wire: [&[u8]; 3] = [host.as_bytes(), &path, &wire_query];
    if !wire
        .iter()
        .all(|part| part.iter().all(u8::is_ascii_graphic))
    {
        return Err(GatewayFault::configuration_error());
    }
    Ok(StorePath {
        host,
        path,
        query: wire_query,
        bucket_in_host,
    })
}

/// Appends `name=value`, both percent-encoded.
pub(super) fn append_query(query: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if !query.is_empty() {
        query.push(b'&');
    }
    percent::encode_into(query, name, Keep::Unreserved);
    query.push(b'=');
    percent::encode_into(query, value, Keep::Unreserved);
}

/// Whether a bucket can stand before the endpoint's host: one label of lower-case letters, digits and hyphens. A name with
/// dots would need a certificate that no wildcard gives; upper case is not kept by names. These stay in the path.
fn fits_host(bucket: &str) -> bool {
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&bucket.len())
        && bucket.bytes().all(is_label)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

/// Appends the template's text and gives the places of the filled values.
pub(super) fn fill(
    out: &mut Vec<u8>,
    template: &UriTemplate,
    values: &MappedValues<'_>,
    keep: Keep,
) -> Result<Filled, GatewayFault> {
    let mut filled = Filled::new();
    for part in &template.parts {
        match part {
            UriPart::Literal(text) => out.extend_from_slice(text.as_bytes()),
            UriPart::Placeholder(name) => {
                let value = values.iter().rev().find(|(known, _)| known == name);
                let (_, value) = value.ok_or_else(GatewayFault::configuration_error)?;
                let start = out.len();
                percent::encode_into(out, value, keep);
                filled.push(start..out.len());
            }
        }
    }
    Ok(filled)
}

/// Whether a segment with a filled byte in it is `.` or `..`: other stores would walk to another bucket
/// (spec 03, step 5). Literal dot segments are the document's own wish.
pub(super) fn walks(path: &[u8], filled: &[Range<usize>]) -> bool {
    let mut start = 0;
    path.split(|&byte| byte == b'/').any(|segment| {
        let end = start + segment.len();
        let dots = matches!(segment, b"." | b"..");
        let touched = filled
            .iter()
            .any(|value| value.start < end && start < value.end);
        start = end + 1;
        dots && touched
    })
}

/// `/{name}` and nothing else.
fn is_one_placeholder(path: &UriTemplate) -> bool {
    match path.parts.as_slice() {
        [UriPart::Literal(slash), UriPart::Placeholder(_)] => slash == "/",
        _ => false,
    }
}

/// Whether a URI without subdomain has more than one path segment.
fn names_buckets(table: &Table) -> bool {
    table.methods.iter().any(|method| {
        match method
            .integration
            .as_ref()
            .map(|integration| &integration.kind)
        {
            Some(IntegrationKind::S3(S3Uri {
                bucket: None, path, ..
            })) => {
                let literals = path.parts.iter().filter_map(|part| match part {
                    UriPart::Literal(text) => Some(text.matches('/').count()),
                    UriPart::Placeholder(_) => None,
                });
                literals.sum::<usize>() > 1
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::integration_uri::IntegrationUri;
    use crate::pipeline::sample;

    fn uri(rest: &str) -> S3Uri {
        let text = format!("arn:aws:apigateway:us-west-2:{rest}");
        match IntegrationUri::parse(&text).unwrap() {
            IntegrationUri::Path(uri) => uri,
            other => panic!("{other:?}"),
        }
    }

    fn api_of(uri: &str) -> Table {
        sample::one_method(json!({"uri": format!("arn:aws:apigateway:us-west-2:{uri}")}))
    }

    /// `host path` or the fault's status.
    fn place(store: &StoreAddress, rest: &str, values: &[(&str, &str)]) -> String {
        let values = values
            .iter()
            .map(|(name, value)| (*name, Cow::Borrowed(value.as_bytes())))
            .collect();
        match store_path(store, &uri(rest), &values, &MappedValues::new()) {
            Ok(place) => format!("{} {}", place.host, String::from_utf8_lossy(&place.path)),
            Err(fault) => fault.status().to_string(),
        }
    }

    fn plain() -> StoreAddress {
        StoreAddress::new("s:1", Addressing::Path, None, &api_of("s3:path/{b}/{k}"))
    }

    #[test]
    fn values_are_encoded_but_for_slashes() {
        let values = [("b", "bucket"), ("k", "a b+c%/\u{e9}?#")];
        assert_eq!(
            place(&plain(), "s3:path/{b}/{k}", &values),
            "s:1 /bucket/a%20b%2Bc%25/%C3%A9%3F%23"
        );
        assert_eq!(place(&plain(), "s3:path//", &[]), "s:1 /");
    }

    #[test]
    fn a_placeholder_without_value_is_an_internal_error() {
        assert_eq!(place(&plain(), "s3:path/{b}/{k}", &[("b", "x")]), "500");
    }

    #[test]
    fn filled_dot_segments_are_refused_and_their_like_pass() {
        for key in [".", "..", "a/../b", "../b", "a/.", "./a"] {
            assert_eq!(
                place(&plain(), "s3:path/b/{k}", &[("k", key)]),
                "400",
                "{key}"
            );
        }
        for key in ["...", "a..", "..a", ".a/b", "a/.../b", "%2e%2e"] {
            assert_ne!(
                place(&plain(), "s3:path/b/{k}", &[("k", key)]),
                "400",
                "{key}"
            );
        }
        assert_eq!(place(&plain(), "s3:path/b/.{k}", &[("k", ".")]), "400");
        // the document's own wish
        assert_eq!(
            place(&plain(), "s3:path/../{k}", &[("k", "x")]),
            "s:1 /../x"
        );
    }

    #[test]
    fn the_uris_query_comes_first_and_mapped_values_are_encoded_whole() {
        let mapped = |values: &[(&'static str, &'static [u8])]| -> MappedValues<'static> {
            let values = values.iter();
            values
                .map(|(name, value)| (*name, Cow::Borrowed(*value)))
                .collect()
        };
        let values = mapped(&[("v", b"a/b")]);
        let query = mapped(&[("p q", b"x/y z"), ("e", b"")]);
        let (store, uri) = (plain(), uri("s3:path/b?acl&k={v}"));
        let found = store_path(&store, &uri, &values, &query).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&found.query),
            "acl&k=a%2Fb&p%20q=x%2Fy%20z&e="
        );
    }

    #[test]
    fn a_subdomain_goes_into_path_or_host() {
        let rest = "photos.s3:path/{k}";
        let table = api_of(rest);
        let by_path = StoreAddress::new("s:1", Addressing::Path, None, &table);
        assert_eq!(place(&by_path, rest, &[("k", "a")]), "s:1 /photos/a");
        let by_host = StoreAddress::new("s:1", Addressing::VirtualHost, None, &table);
        assert_eq!(place(&by_host, rest, &[("k", "a")]), "photos.s:1 /a");
        for bucket in ["my.photos", "Photos", "my_photos"] {
            let rest = format!("{bucket}.s3:path/{{k}}");
            let place = place(&by_host, &rest, &[("k", "a")]);
            assert_eq!(place, format!("s:1 /{bucket}/a"));
        }
        // without a bucket beside the path, the path names it
        assert_eq!(place(&by_host, "s3:path/{k}", &[("k", "a")]), "s:1 /a");
    }

    #[test]
    fn the_configured_bucket_serves_apis_of_one_placeholder() {
        let rest = "s3:path/{key}";
        let store = StoreAddress::new("s:1", Addressing::Path, Some("photos"), &api_of(rest));
        assert!(store.uses_bucket());
        assert_eq!(place(&store, rest, &[("key", "a/b")]), "s:1 /photos/a/b");
        assert_eq!(
            place(&store, "other.s3:path/{key}", &[("key", "a")]),
            "s:1 /other/a"
        );
        assert_eq!(place(&store, "s3:path/fixed", &[]), "s:1 /fixed");
        assert_eq!(place(&store, "s3:path/", &[]), "s:1 /");
        let store = StoreAddress::new(
            "s:1",
            Addressing::VirtualHost,
            Some("photos"),
            &api_of(rest),
        );
        assert_eq!(place(&store, rest, &[("key", "a")]), "photos.s:1 /a");
    }

    #[test]
    fn the_configured_bucket_leaves_apis_alone_that_name_buckets() {
        for named in ["s3:path/{bucket}/{object}", "s3:path/photos/{key}"] {
            let store = StoreAddress::new("s:1", Addressing::Path, Some("photos"), &api_of(named));
            assert!(!store.uses_bucket());
            assert_eq!(
                place(&store, "s3:path/{bucket}", &[("bucket", "b")]),
                "s:1 /b"
            );
        }
    }

    #[test]
    fn an_object_has_a_bucket_and_a_key() {
        let names_object = |path: &[u8], bucket_in_host| {
            let place = StorePath {
                host: "s".into(),
                path: path.to_vec(),
                query: Vec::new(),
                bucket_in_host,
            };
            place.names_object()
        };
        assert!(
            names_object(b"/b/k", false)
                && names_object(b"/k", true)
                && names_object(b"/b//", false)
        );
        for path in [&b"/"[..], b"/b", b"/b/", b"//k"] {
            assert!(!names_object(path, false), "{path:?}");
        }
        assert!(!names_object(b"/", true));
    }
}
