//! The XML of S3: answers of a store that may be hostile, lists of clients, and what is written reads back.

use sluicegate::wire::s3_xml;
use sluicegate::wire::s3_xml::CompletedPart;
use sluicegate::wire::s3_xml::Completion;
use sluicegate::wire::s3_xml::delete::read_delete;

/// Takes `data` as a document and as text for one.
pub fn run(data: &[u8]) {
    let completion = s3_xml::read_completion(data);
    if let Some(error) = s3_xml::read_error(data) {
        assert_eq!(s3_xml::root_name(data), Some("Error"));
        assert_eq!(completion, Some(Completion::Failed(error)));
    } else if completion.is_some() {
        assert_eq!(
            s3_xml::root_name(data),
            Some("CompleteMultipartUploadResult")
        );
    }
    if let Some(id) = s3_xml::read_upload_id(data) {
        assert!(!id.is_empty());
        assert!(completion.is_none());
    }
    if let Some(objects) = read_delete(data) {
        assert!(objects.iter().all(|object| !object.key.is_empty()));
        let mut document = "<Delete>".to_owned();
        for object in &objects {
            let version = object.version_id.as_deref();
            let version = version.map_or_else(String::new, |id| {
                format!("<VersionId>{}</VersionId>", escaped(id))
            });
            document += &format!(
                "<Object><Key>{}</Key>{version}</Object>",
                escaped(&object.key)
            );
        }
        document += "</Delete>";
        assert_eq!(read_delete(document.as_bytes()), Some(objects));
    }
    written(data);
}

fn written(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if text.chars().any(char::is_control) || text.len() > 8 * 1024 {
        return;
    }
    let mut document = Vec::new();
    s3_xml::write_error(&mut document, "Code", text, "id");
    let read = s3_xml::read_error(&document).expect("an error");
    assert_eq!((read.code.as_str(), read.message.as_str()), ("Code", text));
    let parts = [CompletedPart {
        number: 1,
        etag: text.as_bytes().to_vec(),
    }];
    let mut document = Vec::new();
    s3_xml::write_complete_multipart_upload(&mut document, &parts);
    assert_eq!(
        s3_xml::element_text(&document, "ETag").as_deref(),
        Some(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
