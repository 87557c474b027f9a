//! `If-Match` and its family (RFC 9110 §13), for reads and for writes.

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode};

use crate::store::clock;
use crate::store::index::record::ObjectRecord;

/// What a read or a copy makes depend on the object.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

/// Which answer an unmet condition asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unmet {
    /// 304: the client has it already.
    NotModified,
    /// 412.
    Failed,
}

impl ReadConditions {
    /// RFC 9110 §13.2.2: a date counts only where the entity tag of its side is not given.
    pub(super) fn check(&self, record: &ObjectRecord) -> Result<(), Unmet> {
        let modified = clock::to_second(&record.modified);
        let first_met = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, record, Comparison::Strong),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        if !first_met {
            return Err(Unmet::Failed);
        }
        let second_met = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !matches(condition, record, Comparison::Weak),
            (None, Some(since)) => modified > *since,
            (None, None) => true,
        };
        if second_met {
            Ok(())
        } else {
            Err(Unmet::NotModified)
        }
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

fn matches(condition: &ETagCondition, record: &ObjectRecord, comparison: Comparison) -> bool {
    let tag = record.entity_tag();
    let ETagCondition::ETag(given) = condition else {
        return true;
    };
    listed(given).iter().any(|given| match comparison {
        Comparison::Strong => given.strong_cmp(&tag),
        Comparison::Weak => given.weak_cmp(&tag),
    })
}

/// `s3s` reads a list of tags as one tag with the quotes and commas within; no tag of this store has either.
fn listed(given: &ETag) -> Vec<ETag> {
    let field = match given {
        ETag::Strong(value) => format!("\"{value}\""),
        ETag::Weak(value) => format!("W/\"{value}\""),
    };
    field
        .split(',')
        .filter_map(|tag| ETag::parse_http_header(tag.trim().as_bytes()).ok())
        .collect()
}

/// What a write makes depend on the object that it would replace.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteConditions {
    if_match: Option<ETagCondition>,
    only_if_absent: bool,
}

impl WriteConditions {
    /// S3 knows `If-None-Match` on writes with `*` alone.
    pub(super) fn new(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> Result<Self, S3Error> {
        match if_none_match {
            Some(ETagCondition::ETag(_)) => Err(S3Error::with_message(
                S3ErrorCode::NotImplemented,
                "A write takes If-None-Match with * only.",
            )),
            none_match => Ok(Self {
                if_match,
                only_if_absent: none_match.is_some(),
            }),
        }
    }

    /// `present`: the object as it is now, if there is one.
    pub(super) fn check(&self, present: Option<&ObjectRecord>) -> Result<(), S3ErrorCode> {
        if self.only_if_absent && present.is_some() {
            return Err(S3ErrorCode::PreconditionFailed);
        }
        match (&self.if_match, present) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(S3ErrorCode::NoSuchKey),
            (Some(condition), Some(record)) if matches(condition, record, Comparison::Strong) => {
                Ok(())
            }
            (Some(_), Some(_)) => Err(S3ErrorCode::PreconditionFailed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::store::index::record::Description;

    fn at(seconds: u64, millis: u64) -> Timestamp {
        Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis))
    }

    fn record() -> ObjectRecord {
        ObjectRecord {
            etag: "abc".to_owned(),
            size_bytes: 0,
            modified: at(1000, 500),
            parts: Vec::new(),
            multipart: false,
            checksum: None,
            description: Description::default(),
            tags: Vec::new(),
        }
    }

    fn tag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.to_owned())))
    }

    #[test]
    fn a_matching_entity_tag_overrides_its_date() {
        let conditions = ReadConditions {
            if_match: tag("abc"),
            if_unmodified_since: Some(at(1, 0)),
            ..ReadConditions::default()
        };
        assert_eq!(conditions.check(&record()), Ok(()));
        let conditions = ReadConditions {
            if_none_match: tag("other"),
            if_modified_since: Some(at(2000, 0)),
            ..ReadConditions::default()
        };
        assert_eq!(conditions.check(&record()), Ok(()));
    }

    #[test]
    fn dates_compare_by_whole_seconds() {
        let since = |seconds| ReadConditions {
            if_modified_since: Some(at(seconds, 0)),
            ..ReadConditions::default()
        };
        assert_eq!(since(1000).check(&record()), Err(Unmet::NotModified));
        assert_eq!(since(999).check(&record()), Ok(()));
        let until = |seconds| ReadConditions {
            if_unmodified_since: Some(at(seconds, 0)),
            ..ReadConditions::default()
        };
        assert_eq!(until(1000).check(&record()), Ok(()));
        assert_eq!(until(999).check(&record()), Err(Unmet::Failed));
    }

    #[test]
    fn weak_tags_serve_if_none_match_but_not_if_match() {
        let weak = Some(ETagCondition::ETag(ETag::Weak("abc".to_owned())));
        let none_match = ReadConditions {
            if_none_match: weak.clone(),
            ..ReadConditions::default()
        };
        assert_eq!(none_match.check(&record()), Err(Unmet::NotModified));
        let if_match = ReadConditions {
            if_match: weak,
            ..ReadConditions::default()
        };
        assert_eq!(if_match.check(&record()), Err(Unmet::Failed));
    }

    #[test]
    fn one_tag_of_a_list_is_enough() {
        for field in [
            r#""x", "abc""#,
            r#""abc","x""#,
            r#"W/"x", "abc""#,
            r#""abc", W/"x""#,
        ] {
            let condition = ETagCondition::parse_http_header(field.as_bytes()).unwrap();
            assert!(
                matches(&condition, &record(), Comparison::Strong),
                "{field}"
            );
        }
        for field in [r#""x", "y""#, r#""x", W/"abc""#] {
            let condition = ETagCondition::parse_http_header(field.as_bytes()).unwrap();
            assert!(
                !matches(&condition, &record(), Comparison::Strong),
                "{field}"
            );
        }
    }

    #[test]
    fn writes_depend_on_what_they_replace() {
        let absent = WriteConditions::new(None, Some(ETagCondition::Any)).unwrap();
        assert_eq!(absent.check(None), Ok(()));
        assert_eq!(
            absent.check(Some(&record())),
            Err(S3ErrorCode::PreconditionFailed)
        );
        let same = WriteConditions::new(tag("abc"), None).unwrap();
        assert_eq!(same.check(Some(&record())), Ok(()));
        assert_eq!(same.check(None), Err(S3ErrorCode::NoSuchKey));
        let other = WriteConditions::new(tag("x"), None).unwrap();
        assert_eq!(
            other.check(Some(&record())),
            Err(S3ErrorCode::PreconditionFailed)
        );
        assert!(WriteConditions::new(None, tag("abc")).is_err());
    }
}
