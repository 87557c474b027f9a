use super::*;

const NO_SUCH_KEY: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The \
    specified key does not exist.</Message><Key>k</Key><RequestId>r</RequestId><HostId>h</HostId></Error>";

fn text(xml: &str, name: &str) -> Option<String> {
    element_text(xml.as_bytes(), name)
}

#[test]
fn errors_have_code_and_message() {
    let error = read_error(NO_SUCH_KEY).unwrap();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("NoSuchKey", "The specified key does not exist.")
    );
    let bare = read_error(b"<Error><Code>A</Code></Error>").unwrap();
    assert_eq!((bare.code.as_str(), bare.message.as_str()), ("A", ""));
    assert_eq!(read_error(b"<Result><Code>A</Code></Result>"), None);
    assert_eq!(read_error(b"<Error></Error>"), None);
}

#[test]
fn upload_ids_are_read_from_their_document_only() {
    let wire = "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket>\
        <Key>UploadId</Key><UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>";
    assert_eq!(read_upload_id(wire.as_bytes()), Some("a&b".to_owned()));
    assert_eq!(read_upload_id(wire.replace("a&amp;b", "").as_bytes()), None);
    assert_eq!(
        read_upload_id(b"<Other><UploadId>a</UploadId></Other>"),
        None
    );
}

#[test]
fn a_completion_is_an_entity_tag_or_an_error() {
    let done = b"\n<?xml version=\"1.0\"?>  <CompleteMultipartUploadResult><ETag>&quot;a-2&quot;</ETag></CompleteMultipartUploadResult>";
    assert_eq!(
        read_completion(done),
        Some(Completion::Completed {
            etag: "\"a-2\"".to_owned()
        })
    );
    let Some(Completion::Failed(error)) = read_completion(NO_SUCH_KEY) else {
        panic!("an error is a failure");
    };
    assert_eq!(error.code, "NoSuchKey");
    for neither in [
        &b""[..],
        b"   ",
        b"<Ok/>",
        b"<CompleteMultipartUploadResult/>",
    ] {
        assert_eq!(read_completion(neither), None);
    }
}

#[test]
fn entities_and_numeric_references_are_decoded() {
    assert_eq!(
        text(
            "<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x1F600;&#xe4;\u{e4}</a>",
            "a"
        )
        .unwrap(),
        "<>&\"'A\u{1f600}\u{e4}\u{e4}"
    );
    assert_eq!(text("<a>&amp;lt;</a>", "a").unwrap(), "&lt;");
    for wrong in [
        "&nbsp;",
        "&;",
        "&amp",
        "& ",
        "&#;",
        "&#x;",
        "&#+5;",
        "&#x110000;",
        "&#xD800;",
        "&#0;",
        "&#31;",
        "&#99999999999;",
        "&#X41;",
        "&#6a;",
    ] {
        assert_eq!(text(&format!("<a>{wrong}</a>"), "a"), None, "{wrong}");
    }
}

#[test]
fn the_first_element_of_the_local_name_counts() {
    assert_eq!(
        text("<r><ab>0</ab><x:a>1</x:a><a>2</a></r>", "a").unwrap(),
        "1"
    );
    assert_eq!(text("<r><a >1</a\n></r>", "a").unwrap(), "1");
    assert_eq!(text("<r><a/><a>2</a></r>", "a").unwrap(), "");
    assert_eq!(text("<r><b c='>' d=\"/>'\" >1</b></r>", "b").unwrap(), "1");
    assert_eq!(text("<r>a</r>", "a"), None);
    assert_eq!(text("<r><A>1</A></r>", "a"), None);
}

#[test]
fn comments_and_sections_are_no_elements() {
    assert_eq!(
        text(
            "<r><!-- <a>0</a> --><![CDATA[<a>1</a>]]><?a <a>2</a>?><a>3</a></r>",
            "a"
        )
        .unwrap(),
        "3"
    );
    assert_eq!(
        text("<a>x<!-- & -->y<![CDATA[&amp;<]]>z</a>", "a").unwrap(),
        "xy&amp;<z"
    );
}

#[test]
fn malformed_documents_give_nothing() {
    for wrong in [
        "",
        "<",
        "<a",
        "<a>",
        "<a>1",
        "<a>1</",
        "<a>1</b>",
        "<a>1<b/></a>",
        "<a>1<b>2</b></a>",
        "<a x=\">1</a>",
        "<!-- <a>1</a>",
        "<!DOCTYPE a><a>1</a>",
        "< a>1</a>",
        "<a<b>1</a>",
        "<?x <a>1</a>",
        "<a><![CDATA[1</a>",
    ] {
        assert_eq!(text(wrong, "a"), None, "{wrong}");
    }
    assert_eq!(element_text(b"<a>\xff</a>", "a"), None);
    assert_eq!(root_name(b"<!DOCTYPE a><a>1</a>"), None);
    assert_eq!(root_name(b"</a><b/>"), None);
}

#[test]
fn documents_end_at_their_limit() {
    let at = format!("<a>1</a>{}", " ".repeat(DOCUMENT_BYTES_MAX - 8));
    assert_eq!(text(&at, "a").unwrap(), "1");
    assert_eq!(text(&format!("{at} "), "a"), None);
    assert_eq!(root_name(at.as_bytes()), Some("a"));
    assert_eq!(root_name(format!("{at} ").as_bytes()), None);
}

#[test]
fn the_completion_request_lists_escaped_tags_in_order() {
    let parts = [
        CompletedPart {
            number: 1,
            etag: b"\"a\"".to_vec(),
        },
        CompletedPart {
            number: 10_000,
            etag: b"<&>".to_vec(),
        },
    ];
    let mut out = Vec::new();
    write_complete_multipart_upload(&mut out, &parts);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>\
         <Part><PartNumber>10000</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part></CompleteMultipartUpload>"
    );
}
