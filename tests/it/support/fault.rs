//! What the gateway says by itself when the store let it down (spec 08).

use super::message::Message;

/// 500: the store cannot be called, or a body cannot be converted.
pub(crate) const INTERNAL: &[u8] = br#"{"message": "Internal server error"}"#;
/// 504, and the connection failed.
pub(crate) const NETWORK: &[u8] = br#"{"message": "Network error communicating with endpoint"}"#;
/// 504, and the time limit passed.
pub(crate) const TIMEOUT: &[u8] = br#"{"message": "Endpoint request timed out"}"#;

/// The answer is this response of the gateway, its head included.
pub(crate) fn assert_fault(answer: &Message, status: u16, body: &[u8], case: &str) {
    assert_eq!(answer.status(), status, "{case}: {answer:?}");
    assert_eq!(
        answer.body,
        body,
        "{case}: {:?}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(
        answer.field("Content-Type"),
        Some("application/json"),
        "{case}"
    );
    assert_eq!(
        answer.field("x-amzn-ErrorType"),
        Some("InternalServerErrorException"),
        "{case}"
    );
}
