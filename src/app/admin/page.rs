//! The dashboard: one page with its style and script inside, and a policy that lets the browser run these and fetch nothing
//! from anywhere else.

use std::borrow::Cow;

use ring::digest;

use crate::app::admin::answer::Answer;
use crate::wire::base64::Encoder;

const PAGE: &str = include_str!("dashboard/page.html");
const STYLE: &str = include_str!("dashboard/style.css");
const SCRIPT: &str = include_str!("dashboard/script.js");
/// Where the style and the script stand in the page.
const STYLE_PLACE: &str = "/*STYLE*/";
const SCRIPT_PLACE: &str = "/*SCRIPT*/";
const HTML: &str = "text/html; charset=utf-8";

/// The page and its policy, put together once.
#[derive(Debug)]
pub struct Dashboard {
    page: String,
    policy: String,
}

impl Default for Dashboard {
    fn default() -> Self {
        Self {
            page: PAGE
                .replacen(STYLE_PLACE, STYLE, 1)
                .replacen(SCRIPT_PLACE, SCRIPT, 1),
            policy: format!(
                "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'",
                source_hash(STYLE),
                source_hash(SCRIPT),
            ),
        }
    }
}

impl Dashboard {
    /// The page.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let mut answer = Answer::of(HTML, self.page.clone());
        let policy = Cow::Owned(self.policy.clone());
        answer.fields = vec![
            ("Content-Security-Policy", policy),
            ("Referrer-Policy", Cow::Borrowed("no-referrer")),
            ("X-Frame-Options", Cow::Borrowed("DENY")),
        ];
        answer
    }
}

/// The hash of an inline element as Content Security Policy names it (CSP3 §2.3.1).
fn source_hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut encoded = Vec::new();
    let mut encoder = Encoder::new();
    encoder.encode(hash.as_ref(), &mut encoded);
    encoder.finish(&mut encoded);
    format!("sha256-{}", String::from_utf8_lossy(&encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_names_nothing_outside() {
        let page = Dashboard::default().page;
        assert!(!page.contains(STYLE_PLACE) && !page.contains(SCRIPT_PLACE));
        assert!(page.contains("</style>") && page.contains("</script>"));
        for outside in ["https://", "//cdn", "@import", "url(", "src=\"http"] {
            assert!(!page.contains(outside), "{outside}");
        }
        // The one address in it is the name of SVG's namespace.
        assert_eq!(page.matches("http://").count(), 1);
        // Handlers and styles in attributes would need a wider policy.
        for attribute in [" onclick=", " onload=", " style="] {
            assert!(!page.contains(attribute), "{attribute}");
        }
        assert!(!STYLE.contains("</style") && !SCRIPT.contains("</script"));
    }

    #[test]
    fn hashes_are_those_of_the_policys_specification() {
        // CSP2 §7.17.2 has this script and its hash.
        assert_eq!(
            source_hash("alert('Hello, world.');"),
            "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
        );
    }
}
