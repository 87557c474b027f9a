//! What a request asks of S3: actions, and the buckets and objects that they concern.
//!
//! Policies are asked about this before anything is sent, so doubt is never resolved in the request's favour: what is not
//! known here, or might be read otherwise by a store, is [`S3Operation::Unknown`].

mod sub_resources;

use std::borrow::Cow;

use crate::api::iam_policy::s3_values::S3Key;
use crate::api::iam_policy::s3_values::S3Values;
use crate::pipeline::s3_operation::sub_resources::OF_BUCKETS;
use crate::pipeline::s3_operation::sub_resources::OF_OBJECTS;
use crate::pipeline::s3_operation::sub_resources::OTHER_SUB_RESOURCES;
use crate::pipeline::s3_operation::sub_resources::SubResource;
use crate::pipeline::s3_operation::sub_resources::is_plain;
use crate::pipeline::s3_operation::sub_resources::of_version;
use crate::wire::http1::fields::Fields;
use crate::wire::percent;
use crate::wire::query::Query;
use crate::wire::s3_xml::delete::read_delete;

/// A request to S3 in its parts.
#[derive(Clone, Copy, Debug)]
pub struct S3Request<'r> {
    /// As sent.
    pub method: &'r [u8],
    /// The bucket that the host names; `None`: the path names it.
    pub host_bucket: Option<&'r str>,
    /// Percent-encoded, with a leading slash.
    pub path: &'r [u8],
    /// Percent-encoded, without `?`; empty for none.
    pub query: &'r [u8],
    /// The header fields.
    pub fields: &'r Fields,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum S3Operation {
    /// Nothing that a policy speaks of: a CORS preflight.
    Open,
    /// All of these; never empty.
    Accesses(Vec<S3Access>),
    /// Objects of this bucket are deleted whose keys stand in the body: [`accesses_of_delete`].
    DeleteObjects {
        /// The bucket's name.
        bucket: String,
    },
    /// Nothing that is known here: what was found.
    Unknown(String),
}

/// One action on one bucket or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Access {
    /// `s3:GetObject`, …
    pub action: &'static str,
    /// `arn:aws:s3:::bucket/key`
    pub resource: String,
    /// What conditions may ask.
    pub values: S3Values<'static>,
}

impl S3Access {
    fn plain(action: &'static str, resource: String) -> Self {
        Self {
            action,
            resource,
            values: S3Values::default(),
        }
    }
}

impl S3Operation {
    /// Reads a request.
    #[must_use]
    pub fn of(request: &S3Request<'_>) -> Self {
        read(request).unwrap_or_else(Self::Unknown)
    }
}

/// The accesses of DeleteObjects on `bucket` with this body; `None` if the body cannot be read.
#[must_use]
pub fn accesses_of_delete(bucket: &str, body: &[u8]) -> Option<Vec<S3Access>> {
    let mut accesses = Vec::new();
    for object in read_delete(body)? {
        let action = match &object.version_id {
            Some(_) => "s3:DeleteObjectVersion",
            None => "s3:DeleteObject",
        };
        let place = Place::new(bucket, &object.key).ok()?;
        for resource in place.resources() {
            let mut access = S3Access::plain(action, resource);
            if let Some(version) = &object.version_id {
                access.values.add(S3Key::VersionId, version.clone().into());
            }
            accesses.push(access);
        }
    }
    Some(accesses)
}

/// `Err`: what was found that is not known.
fn read(request: &S3Request<'_>) -> Result<S3Operation, String> {
    if request.method == b"OPTIONS" {
        return Ok(S3Operation::Open);
    }
    let place = Place::of(request)?;
    let parameters = Parameters::read(request.query)?;
    let mut accesses = match &place {
        Place::Service => of_service(request.method, &parameters)?,
        Place::Bucket(bucket) if request.method == b"POST" => {
            return delete_objects(bucket, &parameters);
        }
        Place::Bucket(_) => of_bucket(request, &place, &parameters)?,
        Place::Object { .. } => of_object(request, &place, &parameters)?,
    };
    for access in &mut accesses {
        add_values(access, request.fields, &parameters);
    }
    Ok(S3Operation::Accesses(accesses))
}

/// Whose request it is: the service's, a bucket's, an object's.
enum Place {
    Service,
    Bucket(String),
    Object { bucket: String, key: String },
}

impl Place {
    fn of(request: &S3Request<'_>) -> Result<Self, String> {
        let path = text(percent::decode(request.path))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        if let Some(bucket) = request.host_bucket {
            return Self::new(bucket, path);
        }
        // An encoded slash before the first plain one: a store may part bucket and key there or not.
        let raw = request.path.get(1..).unwrap_or_default();
        let raw_bucket = raw.split(|&byte| byte == b'/').next().unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if percent::decode(raw_bucket) != bucket.as_bytes() {
            return Err("a bucket's name with a slash".to_owned());
        }
        if path.is_empty() {
            return Ok(Self::Service);
        }
        Self::new(bucket, key)
    }

    fn new(bucket: &str, key: &str) -> Result<Self, String> {
        if bucket.is_empty() || matches!(bucket, "." | "..") || bucket.contains('/') {
            return Err("no bucket's name".to_owned());
        }
        if key.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("a key with `.` or `..` between slashes".to_owned());
        }
        Ok(match key {
            "" => Self::Bucket(bucket.to_owned()),
            key => Self::Object {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            },
        })
    }

    /// The ARN; of a key with doubled slashes also the one of the key without, since some stores take both for one.
    fn resources(&self) -> Vec<String> {
        match self {
            Self::Service => vec!["arn:aws:s3:::*".to_owned()],
            Self::Bucket(bucket) => vec![format!("arn:aws:s3:::{bucket}")],
            Self::Object { bucket, key } => {
                let mut resources = vec![format!("arn:aws:s3:::{bucket}/{key}")];
                if key.starts_with('/') || key.contains("//") {
                    let segments: Vec<&str> = key
                        .split('/')
                        .filter(|segment| !segment.is_empty())
                        .collect();
                    resources.push(format!("arn:aws:s3:::{bucket}/{}", segments.join("/")));
                }
                resources
            }
        }
    }

    fn accesses(&self, action: &'static str) -> impl Iterator<Item = S3Access> {
        self.resources()
            .into_iter()
            .map(move |resource| S3Access::plain(action, resource))
    }
}

/// The query: at most one sub-resource, nothing twice, nothing unknown.
struct Parameters {
    query: Query,
    sub_resource: Option<String>,
    has_part_number: bool,
}

impl Parameters {
    fn read(raw: &[u8]) -> Result<Self, String> {
        let query = Query::parse(raw);
        let mut seen: Vec<&str> = Vec::new();
        let (mut sub_resource, mut has_part_number) = (None, false);
        for (name, _) in query.iter() {
            let name =
                str::from_utf8(name).map_err(|_| "a parameter that is no text".to_owned())?;
            if seen.contains(&name) {
                return Err(format!("the parameter `{}` twice", shown(name)));
            }
            // Unknown names end this loop, so that `seen` is never long.
            seen.push(name);
            let of_table = |table: &[SubResource]| table.iter().any(|one| one.name == name);
            let names_sub_resource = of_table(&OF_BUCKETS)
                || of_table(&OF_OBJECTS)
                || OTHER_SUB_RESOURCES.contains(&name);
            match name {
                "partNumber" => has_part_number = true,
                _ if is_plain(name) => {}
                _ if !names_sub_resource => {
                    return Err(format!("the parameter `{}`", shown(name)));
                }
                _ if sub_resource.is_some() => {
                    return Err("two sub-resources".to_owned());
                }
                _ => sub_resource = Some(name.to_owned()),
            }
        }
        Ok(Self {
            sub_resource,
            has_part_number,
            query,
        })
    }

    fn value(&self, name: &str) -> Option<String> {
        let value = self.query.last(name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

fn of_service(method: &[u8], parameters: &Parameters) -> Result<Vec<S3Access>, String> {
    match (method, parameters.sub_resource.as_deref()) {
        (b"GET", None) => Ok(Place::Service.accesses("s3:ListAllMyBuckets").collect()),
        _ => Err(not_known(method, parameters)),
    }
}

/// POST of a bucket: DeleteObjects; a form that uploads an object names its key in the body and is not known here.
fn delete_objects(bucket: &str, parameters: &Parameters) -> Result<S3Operation, String> {
    match parameters.sub_resource.as_deref() {
        Some("delete") => Ok(S3Operation::DeleteObjects {
            bucket: bucket.to_owned(),
        }),
        _ => Err(not_known(b"POST", parameters)),
    }
}

fn of_bucket(
    request: &S3Request<'_>,
    place: &Place,
    parameters: &Parameters,
) -> Result<Vec<S3Access>, String> {
    let unknown = || not_known(request.method, parameters);
    if parameters.has_part_number {
        return Err(unknown());
    }
    let action = match (request.method, parameters.sub_resource.as_deref()) {
        (b"GET" | b"HEAD", None) => "s3:ListBucket",
        (b"DELETE", None) => "s3:DeleteBucket",
        (b"PUT", None) => {
            let created = place.accesses("s3:CreateBucket");
            let more = more_of_create_bucket(request.fields);
            let more = more.into_iter().flat_map(|action| place.accesses(action));
            return Ok(created.chain(more).collect());
        }
        (method, Some(name)) => action_of(&OF_BUCKETS, method, name).ok_or_else(unknown)?,
        (_, None) => return Err(unknown()),
    };
    Ok(place.accesses(action).collect())
}

/// S3 API reference, "CreateBucket", permissions.
fn more_of_create_bucket(fields: &Fields) -> Vec<&'static str> {
    let mut more = Vec::new();
    let opens = fields
        .get(b"x-amz-acl")
        .is_some_and(|acl| acl != b"private");
    if opens || has_grants(fields) {
        more.push("s3:PutBucketAcl");
    }
    if fields.get(b"x-amz-bucket-object-lock-enabled").is_some() {
        more.extend([
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketVersioning",
        ]);
    }
    if fields.get(b"x-amz-object-ownership").is_some() {
        more.push("s3:PutBucketOwnershipControls");
    }
    more
}

fn of_object(
    request: &S3Request<'_>,
    place: &Place,
    parameters: &Parameters,
) -> Result<Vec<S3Access>, String> {
    let unknown = || not_known(request.method, parameters);
    let fields = request.fields;
    let name = parameters.sub_resource.as_deref();
    let has_version = parameters.query.last(b"versionId").is_some();
    let mut actions: Vec<&'static str> = match (request.method, name) {
        (b"GET" | b"HEAD", None) => vec!["s3:GetObject"],
        (b"GET", Some("attributes")) => vec!["s3:GetObjectAttributes", "s3:GetObject"],
        (b"GET", Some("uploadId")) => vec!["s3:ListMultipartUploadParts"],
        (b"POST", Some("select")) => vec!["s3:GetObject"],
        (b"POST", Some("restore")) => vec!["s3:RestoreObject"],
        (b"POST", Some("uploadId")) => vec!["s3:PutObject"],
        (b"POST", Some("uploads")) => more_of_put_object(fields),
        (b"PUT", Some("uploadId")) if parameters.has_part_number => vec!["s3:PutObject"],
        (b"PUT", None) if !parameters.has_part_number => more_of_put_object(fields),
        (b"DELETE", None) => vec!["s3:DeleteObject"],
        (b"DELETE", Some("uploadId")) => vec!["s3:AbortMultipartUpload"],
        (method, Some(name)) => vec![action_of(&OF_OBJECTS, method, name).ok_or_else(unknown)?],
        (_, None) => return Err(unknown()),
    };
    if has_version {
        actions
            .iter_mut()
            .for_each(|action| *action = of_version(action));
    }
    if fields.get(b"x-amz-bypass-governance-retention").is_some() {
        actions.push("s3:BypassGovernanceRetention");
    }
    let mut accesses: Vec<S3Access> = actions
        .into_iter()
        .flat_map(|action| place.accesses(action))
        .collect();
    if request.method == b"PUT" && matches!(name, None | Some("uploadId")) {
        accesses.extend(of_copy_source(fields)?);
    }
    Ok(accesses)
}

/// S3 API reference, "PutObject", permissions.
fn more_of_put_object(fields: &Fields) -> Vec<&'static str> {
    let mut actions = vec!["s3:PutObject"];
    let has = |name: &[u8]| fields.get(name).is_some();
    if has(b"x-amz-acl") || has_grants(fields) {
        actions.push("s3:PutObjectAcl");
    }
    if has(b"x-amz-tagging") {
        actions.push("s3:PutObjectTagging");
    }
    if has(b"x-amz-object-lock-mode") || has(b"x-amz-object-lock-retain-until-date") {
        actions.push("s3:PutObjectRetention");
    }
    if has(b"x-amz-object-lock-legal-hold") {
        actions.push("s3:PutObjectLegalHold");
    }
    actions
}

fn has_grants(fields: &Fields) -> bool {
    const PREFIX: &[u8] = b"x-amz-grant-";
    fields.iter().any(|(name, _)| {
        let start = name.get(..PREFIX.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    })
}

/// What a copy reads. Tags of the source that are copied with it are not asked about: whether it has any is not known.
fn of_copy_source(fields: &Fields) -> Result<Vec<S3Access>, String> {
    let mut sources = fields.all(b"x-amz-copy-source");
    let Some(source) = sources.next() else {
        return Ok(Vec::new());
    };
    if sources.next().is_some() {
        return Err("two copy sources".to_owned());
    }
    let (path, query) = match source.iter().position(|&byte| byte == b'?') {
        Some(at) => (
            source.get(..at).unwrap_or_default(),
            source.get(at + 1..).unwrap_or_default(),
        ),
        None => (source, &b""[..]),
    };
    let path = text(percent::decode(path))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    // An access point's ARN names no bucket.
    if bucket.contains(':') {
        return Err("a copy source that is no `bucket/key`".to_owned());
    }
    let place = Place::new(bucket, key)?;
    let query = Query::parse(query);
    let action = match query.iter().next() {
        None => "s3:GetObject",
        Some((b"versionId", _)) => "s3:GetObjectVersion",
        Some(_) => return Err("a copy source with a parameter".to_owned()),
    };
    match place {
        Place::Object { .. } => Ok(place.accesses(action).collect()),
        Place::Service | Place::Bucket(_) => {
            Err("a copy source that is no `bucket/key`".to_owned())
        }
    }
}

fn action_of(table: &[SubResource], method: &[u8], name: &str) -> Option<&'static str> {
    let found = table.iter().find(|one| one.name == name)?;
    let action = match method {
        b"GET" => found.get,
        b"PUT" => found.put,
        b"DELETE" => found.delete,
        _ => "",
    };
    (!action.is_empty()).then_some(action)
}

/// The condition keys of the access (service authorization reference, "Condition keys for Amazon S3").
fn add_values(access: &mut S3Access, fields: &Fields, parameters: &Parameters) {
    const OF_LISTINGS: [(&str, S3Key); 3] = [
        ("prefix", S3Key::Prefix),
        ("delimiter", S3Key::Delimiter),
        ("max-keys", S3Key::MaxKeys),
    ];
    let mut add = |key, value: Option<String>| {
        if let Some(value) = value {
            access.values.add(key, Cow::Owned(value));
        }
    };
    if matches!(access.action, "s3:ListBucket" | "s3:ListBucketVersions") {
        for (name, key) in OF_LISTINGS {
            add(key, parameters.value(name));
        }
    }
    add(S3Key::VersionId, parameters.value("versionId"));
    for (name, value) in fields.iter() {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if let Some(key) = S3Key::of_header(&name) {
            add(key, Some(String::from_utf8_lossy(value).into_owned()));
        }
    }
}

fn not_known(method: &[u8], parameters: &Parameters) -> String {
    let method = shown(&String::from_utf8_lossy(method));
    match &parameters.sub_resource {
        Some(name) => format!("{method} of the sub-resource `{name}`"),
        None => format!("{method} here"),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "a name that is no UTF-8".to_owned())
}

/// At most 40 visible characters of what a client wrote.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    text.chars()
        .take(SHOWN_CHARS_MAX)
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests;
