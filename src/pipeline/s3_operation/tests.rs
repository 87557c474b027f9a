use super::*;

/// `action resource`, one a line, or what is not known.
fn asked(method: &str, target: &str, fields: &[(&str, &str)]) -> String {
    operation(None, method, target, fields)
}

fn operation(host: Option<&str>, method: &str, target: &str, pairs: &[(&str, &str)]) -> String {
    let mut fields = Fields::new();
    for (name, value) in pairs {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = S3Request {
        method: method.as_bytes(),
        host_bucket: host,
        path: path.as_bytes(),
        query: query.as_bytes(),
        fields: &fields,
    };
    match S3Operation::of(&request) {
        S3Operation::Open => "open".to_owned(),
        S3Operation::Accesses(accesses) => told(&accesses),
        S3Operation::DeleteObjects { bucket } => format!("keys in the body of {bucket}"),
        S3Operation::Unknown(found) => format!("unknown: {found}"),
    }
}

fn told(accesses: &[S3Access]) -> String {
    let lines: Vec<String> = accesses
        .iter()
        .map(|one| {
            let resource = one.resource.strip_prefix("arn:aws:s3:::").unwrap();
            format!("{} {resource}", one.action.strip_prefix("s3:").unwrap())
        })
        .collect();
    lines.join(", ")
}

#[test]
fn requests_of_the_service_and_of_buckets() {
    for (method, target, wanted) in [
        ("GET", "/", "ListAllMyBuckets *"),
        (
            "GET",
            "/?max-buckets=3&x-id=ListBuckets",
            "ListAllMyBuckets *",
        ),
        ("GET", "/b", "ListBucket b"),
        (
            "GET",
            "/b/?list-type=2&prefix=a%2F&max-keys=3",
            "ListBucket b",
        ),
        ("HEAD", "/b", "ListBucket b"),
        ("PUT", "/b", "CreateBucket b"),
        ("DELETE", "/b", "DeleteBucket b"),
        ("GET", "/b?acl", "GetBucketAcl b"),
        ("GET", "/b?%61cl=", "GetBucketAcl b"),
        ("PUT", "/b?acl", "PutBucketAcl b"),
        ("GET", "/b?versions&prefix=x", "ListBucketVersions b"),
        ("GET", "/b?uploads", "ListBucketMultipartUploads b"),
        ("GET", "/b?location", "GetBucketLocation b"),
        ("PUT", "/b?policy", "PutBucketPolicy b"),
        ("DELETE", "/b?policy", "DeleteBucketPolicy b"),
        ("DELETE", "/b?lifecycle", "PutLifecycleConfiguration b"),
        ("GET", "/b?inventory&id=1", "GetInventoryConfiguration b"),
        ("POST", "/b?delete", "keys in the body of b"),
        ("OPTIONS", "/b/k", "open"),
    ] {
        assert_eq!(asked(method, target, &[]), wanted, "{method} {target}");
    }
}

#[test]
fn requests_of_objects() {
    for (method, target, wanted) in [
        ("GET", "/b/k", "GetObject b/k"),
        ("HEAD", "/b/a/b%20c%2Fd", "GetObject b/a/b c/d"),
        ("GET", "/b/k?versionId=1", "GetObjectVersion b/k"),
        (
            "GET",
            "/b/k?partNumber=1&response-content-type=x",
            "GetObject b/k",
        ),
        ("GET", "/b/k?acl", "GetObjectAcl b/k"),
        ("GET", "/b/k?acl&versionId=1", "GetObjectVersionAcl b/k"),
        (
            "GET",
            "/b/k?attributes",
            "GetObjectAttributes b/k, GetObject b/k",
        ),
        (
            "GET",
            "/b/k?attributes&versionId=1",
            "GetObjectVersionAttributes b/k, GetObjectVersion b/k",
        ),
        ("GET", "/b/k?uploadId=u", "ListMultipartUploadParts b/k"),
        ("POST", "/b/k?select&select-type=2", "GetObject b/k"),
        ("POST", "/b/k?restore", "RestoreObject b/k"),
        ("PUT", "/b/k", "PutObject b/k"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "PutObject b/k"),
        ("POST", "/b/k?uploads", "PutObject b/k"),
        ("POST", "/b/k?uploadId=u", "PutObject b/k"),
        ("PUT", "/b/k?tagging", "PutObjectTagging b/k"),
        (
            "PUT",
            "/b/k?retention&versionId=1",
            "PutObjectRetention b/k",
        ),
        ("DELETE", "/b/k", "DeleteObject b/k"),
        ("DELETE", "/b/k?versionId=1", "DeleteObjectVersion b/k"),
        ("DELETE", "/b/k?tagging", "DeleteObjectTagging b/k"),
        ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload b/k"),
        ("GET", "/b//k", "GetObject b//k, GetObject b/k"),
        ("GET", "/b/a///k/", "GetObject b/a///k/, GetObject b/a/k"),
    ] {
        assert_eq!(asked(method, target, &[]), wanted, "{method} {target}");
    }
    assert_eq!(operation(Some("h"), "GET", "/a/b", &[]), "GetObject h/a/b");
    assert_eq!(operation(Some("h"), "GET", "/", &[]), "ListBucket h");
}

#[test]
fn headers_ask_for_more() {
    let put = |target: &str, name: &str, value: &str| asked("PUT", target, &[(name, value)]);
    assert_eq!(
        put("/b/k", "X-Amz-Acl", "private"),
        "PutObject b/k, PutObjectAcl b/k"
    );
    assert_eq!(
        put("/b/k", "x-amz-grant-read", "id=1"),
        "PutObject b/k, PutObjectAcl b/k"
    );
    assert_eq!(
        put("/b/k", "x-amz-tagging", "a=b"),
        "PutObject b/k, PutObjectTagging b/k"
    );
    assert_eq!(
        put("/b/k", "x-amz-object-lock-mode", "GOVERNANCE"),
        "PutObject b/k, PutObjectRetention b/k"
    );
    assert_eq!(
        put("/b/k", "x-amz-object-lock-legal-hold", "ON"),
        "PutObject b/k, PutObjectLegalHold b/k"
    );
    assert_eq!(put("/b", "x-amz-acl", "private"), "CreateBucket b");
    assert_eq!(
        put("/b", "x-amz-acl", "public-read"),
        "CreateBucket b, PutBucketAcl b"
    );
    assert_eq!(
        put("/b", "x-amz-bucket-object-lock-enabled", "true"),
        "CreateBucket b, PutBucketObjectLockConfiguration b, PutBucketVersioning b"
    );
    assert_eq!(
        asked(
            "DELETE",
            "/b/k",
            &[("x-amz-bypass-governance-retention", "true")]
        ),
        "DeleteObject b/k, BypassGovernanceRetention b/k"
    );
}

#[test]
fn a_copy_reads_its_source() {
    let copy = |source: &str| asked("PUT", "/b/k", &[("x-amz-copy-source", source)]);
    assert_eq!(copy("/s/a%20b"), "PutObject b/k, GetObject s/a b");
    assert_eq!(copy("s/a/b"), "PutObject b/k, GetObject s/a/b");
    assert_eq!(copy("s%2Fa"), "PutObject b/k, GetObject s/a");
    assert_eq!(
        copy("s/a?versionId=1"),
        "PutObject b/k, GetObjectVersion s/a"
    );
    for source in [
        "",
        "s",
        "s/",
        "/",
        "s/../t/a",
        "s/a?x=1",
        "arn:aws:s3:r:1:accesspoint/p/object/a",
        "s/%ff",
    ] {
        assert!(
            copy(source).starts_with("unknown: "),
            "{source}: {}",
            copy(source)
        );
    }
    let two = [("x-amz-copy-source", "s/a"), ("x-amz-copy-source", "s/b")];
    assert_eq!(asked("PUT", "/b/k", &two), "unknown: two copy sources");
    let part = asked(
        "PUT",
        "/b/k?partNumber=1&uploadId=u",
        &[("x-amz-copy-source", "s/a")],
    );
    assert_eq!(part, "PutObject b/k, GetObject s/a");
}

#[test]
fn what_might_be_read_otherwise_is_not_known() {
    for (method, target) in [
        ("PUT", "/"),
        ("POST", "/"),
        ("GET", "/?acl"),
        ("POST", "/b"),
        ("PATCH", "/b/k"),
        ("POST", "/b/k"),
        ("HEAD", "/b/k?acl"),
        ("HEAD", "/b?acl"),
        ("DELETE", "/b?acl"),
        ("PUT", "/b?location"),
        ("PUT", "/b?partNumber=1"),
        ("PUT", "/b/k?partNumber=1"),
        ("PUT", "/b/k?uploadId=u"),
        ("GET", "/b?acl&policy"),
        ("GET", "/b?prefix=a&prefix=b"),
        ("GET", "/b/k?acl&acl"),
        ("GET", "/b?session"),
        ("PUT", "/b/k?newSubResource"),
        ("PUT", "/b/k?X-Amz-Copy-Source=s/a"),
        ("GET", "/b?\u{fffd}%ff=1"),
        ("GET", "/b/../c/k"),
        ("GET", "/b/%2e%2e/c/k"),
        ("GET", "/b/a/./k"),
        ("GET", "/../k"),
        ("GET", "/b%2Fk"),
        ("GET", "//k"),
        ("GET", "/%2Fb/k"),
        ("GET", "/b/%ff"),
    ] {
        let found = asked(method, target, &[]);
        assert!(found.starts_with("unknown: "), "{method} {target}: {found}");
    }
    let long = asked("GET", &format!("/b?{}", "x\u{e9}".repeat(100)), &[]);
    assert!(long.is_ascii() && long.len() < 80, "{long}");
}

#[test]
fn conditions_see_what_the_request_says() {
    let mut fields = Fields::new();
    fields.push(b"X-Amz-Storage-Class", b"GLACIER");
    let request = |method, path, query| S3Request {
        method,
        host_bucket: None,
        path,
        query,
        fields: &fields,
    };
    let values = |request: &S3Request<'_>| match S3Operation::of(request) {
        S3Operation::Accesses(mut accesses) => accesses.swap_remove(0).values,
        other => panic!("{other:?}"),
    };
    let text = |values: &S3Values<'_>, name: &str| {
        let key = S3Key::parse(name).unwrap();
        values.value_of(key).map(|value| value.into_owned())
    };
    let listing = values(&request(
        b"GET",
        b"/b",
        b"prefix=a%2Fb+c&max-keys=3&delimiter=",
    ));
    assert_eq!(text(&listing, "s3:prefix").as_deref(), Some("a/b c"));
    assert_eq!(text(&listing, "s3:max-keys").as_deref(), Some("3"));
    assert_eq!(text(&listing, "s3:delimiter").as_deref(), Some(""));
    let object = values(&request(b"GET", b"/b/k", b"prefix=a&versionId=v"));
    assert_eq!(text(&object, "s3:prefix"), None);
    assert_eq!(text(&object, "s3:versionid").as_deref(), Some("v"));
    assert_eq!(
        text(&object, "s3:x-amz-storage-class").as_deref(),
        Some("GLACIER")
    );
    assert_eq!(text(&object, "s3:x-amz-acl"), None);
}

#[test]
fn every_deleted_object_is_an_access() {
    let of = |body: &str| accesses_of_delete("b", body.as_bytes()).map(|found| told(&found));
    let body = "<Delete><Object><Key>a</Key></Object><Object><Key>c//d</Key><VersionId>1</VersionId></Object></Delete>";
    assert_eq!(
        of(body).unwrap(),
        "DeleteObject b/a, DeleteObjectVersion b/c//d, DeleteObjectVersion b/c/d"
    );
    assert_eq!(
        of("<Delete><Object><Key>../a</Key></Object></Delete>"),
        None
    );
    assert_eq!(of("<Delete>"), None);
}
