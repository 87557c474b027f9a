//! A store that says that a bucket is in another region than requests are signed for: what would mend it is told once.

use std::cell::RefCell;

use crate::wire::http1::fields::Fields;

/// Hints that are remembered; beyond them nothing is told.
const HINTS_MAX: usize = 64;
/// What a bucket's region comes with when a request was signed for another one (S3 API, "Error responses").
const REGION_FIELD: &[u8] = b"x-amz-bucket-region";
/// A region's name is short; anything longer is none.
const REGION_BYTES_MAX: usize = 64;

/// The hints of one core.
#[derive(Debug, Default)]
pub struct RegionHints {
    /// Whose requests, and the region.
    told: RefCell<Vec<(String, String)>>,
}

impl RegionHints {
    /// Looks at an answer to a request that was signed for `region`. `whose` names those requests.
    pub fn look_at(
        &self,
        status: u16,
        fields: &Fields,
        region: &str,
        whose: impl FnOnce() -> String,
    ) {
        if !matches!(status, 301 | 307 | 400) {
            return;
        }
        if let Some((whose, found)) = self.new_hint(fields, region, whose) {
            tracing::warn!(
                status,
                "{whose}: the bucket is in the region {found}, requests are signed for {region}; \
                 set --s3-region {found}, and --s3-endpoint to that region's endpoint if one is set"
            );
        }
    }

    fn new_hint(
        &self,
        fields: &Fields,
        region: &str,
        whose: impl FnOnce() -> String,
    ) -> Option<(String, String)> {
        let found = std::str::from_utf8(fields.last(REGION_FIELD)?).ok()?;
        let is_region = found.len() <= REGION_BYTES_MAX
            && found
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_region || found == region {
            return None;
        }
        let hint = (whose(), found.to_owned());
        let mut told = self.told.borrow_mut();
        if told.len() >= HINTS_MAX || told.contains(&hint) {
            return None;
        }
        told.push(hint.clone());
        Some(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_is_told_once_for_whose_requests_it_is() {
        let hints = RegionHints::default();
        let hint = |region: &str, whose: &str| {
            let mut fields = Fields::new();
            fields.push(REGION_FIELD, region.as_bytes());
            let found = hints.new_hint(&fields, "us-east-1", || whose.to_owned());
            found.map(|(whose, region)| format!("{whose} {region}"))
        };
        assert_eq!(hint("eu-west-1", "a").as_deref(), Some("a eu-west-1"));
        assert_eq!(hint("eu-west-1", "a"), None);
        assert_eq!(hint("eu-west-1", "b").as_deref(), Some("b eu-west-1"));
        assert_eq!(hint("eu-west-2", "a").as_deref(), Some("a eu-west-2"));
        for none in ["us-east-1", "a\x1b[0m", &"a".repeat(65)] {
            assert_eq!(hint(none, "c"), None, "{none}");
        }
        assert_eq!(hints.new_hint(&Fields::new(), "r", String::new), None);
        for number in 0..100 {
            let _told = hint(&format!("r-{number}"), "d");
        }
        assert_eq!(hints.told.borrow().len(), HINTS_MAX);
    }
}
