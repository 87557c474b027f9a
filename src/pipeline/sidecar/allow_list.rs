//! What an identity may do: buckets, prefixes and operations. Whatever is not allowed, or cannot be told, is denied.

use crate::api::iam_policy::pattern::Glob;
use crate::api::iam_policy::pattern::Variables;
use crate::api::iam_policy::pattern::Wildcards;
use crate::api::iam_policy::s3_values::S3Key;
use crate::pipeline::s3_operation::S3Access;
use crate::pipeline::s3_operation::S3Operation;
use crate::pipeline::s3_operation::accesses_of_delete;
use crate::pipeline::sidecar::s3_fault::S3Fault;

const RESOURCE_START: &str = "arn:aws:s3:::";

/// The lists of one identity; an empty list allows all.
#[derive(Debug, Default)]
pub struct AllowList {
    buckets: Vec<String>,
    prefixes: Vec<String>,
    operations: Vec<Glob>,
}

/// What is left to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nothing.
    Granted,
    /// The keys in the body of a DeleteObjects of this bucket.
    AwaitsKeys {
        /// The bucket.
        bucket: String,
    },
}

impl AllowList {
    /// Lists of bucket names, key prefixes and operations as `s3:Get*`; `s3:` may be left out.
    ///
    /// # Errors
    /// Why an operation is no pattern.
    pub fn new(
        buckets: Vec<String>,
        prefixes: Vec<String>,
        operations: &[String],
    ) -> Result<Self, String> {
        let compiled = operations.iter().map(|text| {
            let name = text
                .strip_prefix("s3:")
                .unwrap_or(text)
                .to_ascii_lowercase();
            let known = |c: char| c.is_ascii_alphabetic() || matches!(c, '*' | '?');
            if name.is_empty() || !name.chars().all(known) {
                return Err(format!(
                    "{text:?} is no S3 action as s3:GetObject or s3:Get*"
                ));
            }
            Glob::compile(&name, Wildcards::Active, Variables::None)
        });
        Ok(Self {
            buckets,
            prefixes,
            operations: compiled.collect::<Result<_, _>>()?,
        })
    }

    /// Whether everything is allowed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.buckets.is_empty() && self.prefixes.is_empty() && self.operations.is_empty()
    }

    /// Decides about a request.
    ///
    /// # Errors
    /// It is denied.
    pub fn check(&self, operation: &S3Operation) -> Result<Permission, S3Fault> {
        if self.is_open() {
            return Ok(Permission::Granted);
        }
        match operation {
            S3Operation::Open => Ok(Permission::Granted),
            S3Operation::Accesses(accesses) => self.check_all(accesses),
            S3Operation::DeleteObjects { bucket } => Ok(Permission::AwaitsKeys {
                bucket: bucket.clone(),
            }),
            S3Operation::Unknown(found) => Err(S3Fault::access_denied(format!(
                "This identity has an allow-list, and what the request asks for is not known: {found}"
            ))),
        }
    }

    /// Decides about the keys of a DeleteObjects.
    ///
    /// # Errors
    /// One of them is denied, or the body cannot be read.
    pub fn check_delete(&self, bucket: &str, body: &[u8]) -> Result<(), S3Fault> {
        let accesses = accesses_of_delete(bucket, body).ok_or_else(|| {
            S3Fault::new(
                400,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            )
        })?;
        self.check_all(&accesses).map(|_granted| ())
    }

    fn check_all(&self, accesses: &[S3Access]) -> Result<Permission, S3Fault> {
        match accesses.iter().find(|access| !self.allows(access)) {
            None => Ok(Permission::Granted),
            Some(denied) => Err(S3Fault::access_denied(format!(
                "This identity is not allowed to perform {} on {}",
                denied.action, denied.resource
            ))),
        }
    }

    fn allows(&self, access: &S3Access) -> bool {
        let action = access.action.strip_prefix("s3:").unwrap_or(access.action);
        let action = action.to_ascii_lowercase();
        let operation_allowed =
            self.operations.is_empty() || self.operations.iter().any(|glob| glob.matches(&action));
        operation_allowed && self.allows_resource(access)
    }

    fn allows_resource(&self, access: &S3Access) -> bool {
        let Some(place) = access.resource.strip_prefix(RESOURCE_START) else {
            return false;
        };
        let (bucket, key) = match place.split_once('/') {
            Some((bucket, key)) => (bucket, Some(key)),
            None => (place, None),
        };
        let bucket_allowed =
            self.buckets.is_empty() || self.buckets.iter().any(|known| known == bucket);
        bucket_allowed && self.allows_key(access, key)
    }

    /// With prefixes: keys under one of them, listings of one of them, where a bucket is; nothing else of a bucket.
    fn allows_key(&self, access: &S3Access, key: Option<&str>) -> bool {
        if self.prefixes.is_empty() {
            return true;
        }
        let under = |text: &str| self.prefixes.iter().any(|prefix| text.starts_with(prefix));
        match (key, access.action) {
            (Some(key), _) => under(key),
            (None, "s3:GetBucketLocation") => true,
            (None, "s3:ListBucket" | "s3:ListBucketVersions") => access
                .values
                .value_of(S3Key::Prefix)
                .is_some_and(|prefix| under(&prefix)),
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::s3_operation::S3Request;
    use crate::wire::http1::fields::Fields;

    fn list(buckets: &[&str], prefixes: &[&str], operations: &[&str]) -> AllowList {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        AllowList::new(owned(buckets), owned(prefixes), &owned(operations)).unwrap()
    }

    fn asks(list: &AllowList, request: &str, copy_source: Option<&str>) -> bool {
        let (method, target) = request.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut fields = Fields::new();
        if let Some(source) = copy_source {
            fields.push(b"x-amz-copy-source", source.as_bytes());
        }
        let operation = S3Operation::of(&S3Request {
            method: method.as_bytes(),
            host_bucket: None,
            path: path.as_bytes(),
            query: query.as_bytes(),
            fields: &fields,
        });
        list.check(&operation) == Ok(Permission::Granted)
    }

    #[test]
    fn one_prefix_is_one_prefix() {
        let list = list(&["b"], &["in/"], &[]);
        for allowed in [
            "GET /b/in/k",
            "PUT /b/in/k",
            "DELETE /b/in%2Fk",
            "GET /b?prefix=in/",
            "GET /b?list-type=2&prefix=in/sub",
            "GET /b?location",
            "POST /b/in/k?uploads",
            "PUT /b/in/k?partNumber=1&uploadId=u",
        ] {
            assert!(asks(&list, allowed, None), "{allowed}");
        }
        for denied in [
            "GET /b/k",
            "GET /b/in",
            "GET /b/in/../k",
            "GET /b/%2e%2e/k",
            "GET /c/in/k",
            "GET /",
            "GET /b",
            "GET /b?prefix=",
            "GET /b?prefix=i",
            "GET /b?prefix=in/&prefix=",
            "GET /b?list-type=2",
            "GET /b?versions",
            "GET /b?uploads",
            "GET /b?acl",
            "DELETE /b",
            "POST /b/k?uploads",
            "PUT /b/k?partNumber=1&uploadId=u",
            "DELETE /b/k?uploadId=u",
            "GET /b/in/k?unheard-of",
        ] {
            assert!(!asks(&list, denied, None), "{denied}");
        }
    }

    #[test]
    fn a_copy_needs_its_source() {
        let list = list(&["b"], &["in/"], &[]);
        for (source, allowed) in [
            ("/b/in/k", true),
            ("b/in%2Fk", true),
            ("b/k", false),
            ("c/in/k", false),
            ("b/in/../k", false),
        ] {
            assert_eq!(
                asks(&list, "PUT /b/in/x", Some(source)),
                allowed,
                "{source}"
            );
            let part = "PUT /b/in/x?partNumber=1&uploadId=u";
            assert_eq!(asks(&list, part, Some(source)), allowed, "{source}");
        }
    }

    #[test]
    fn operations_are_actions_with_wildcards() {
        let reads = list(&[], &[], &["s3:Get*", "listbucket"]);
        assert!(asks(&reads, "GET /b/k", None) && asks(&reads, "GET /b", None));
        assert!(!asks(&reads, "PUT /b/k", None) && !asks(&reads, "DELETE /b/k", None));
        for refused in ["", "s3:", "ec2:Get", "s3:Get Object"] {
            assert!(AllowList::new(vec![], vec![], &[refused.to_owned()]).is_err());
        }
    }

    #[test]
    fn every_key_of_a_multi_object_delete_counts() {
        let list = list(&["b"], &["in/"], &["s3:DeleteObject"]);
        let body = |keys: &[&str]| {
            let objects = keys
                .iter()
                .map(|key| format!("<Object><Key>{key}</Key></Object>"));
            format!("<Delete>{}</Delete>", objects.collect::<String>())
        };
        let waits = list.check(&S3Operation::DeleteObjects {
            bucket: "b".to_owned(),
        });
        assert!(matches!(waits, Ok(Permission::AwaitsKeys { .. })));
        let check = |bucket, keys: &[&str]| list.check_delete(bucket, body(keys).as_bytes());
        assert_eq!(check("b", &["in/a", "in/b"]), Ok(()));
        assert_eq!(check("b", &["in/a", "b"]).unwrap_err().code, "AccessDenied");
        assert_eq!(check("c", &["in/a"]).unwrap_err().code, "AccessDenied");
        let broken = list.check_delete("b", b"<Delete><Object><Key>in/a</Key>");
        assert_eq!(broken.unwrap_err().code, "MalformedXML");
    }

    #[test]
    fn no_list_allows_what_nobody_knows() {
        assert!(asks(&AllowList::default(), "GET /b?unheard-of", None));
    }
}
