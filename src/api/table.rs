//! The compiled document: all that the request path knows about an API.

use std::ops::Range;

use crate::api::binary_media_types::BinaryMediaTypes;
use crate::api::gateway_response::GatewayResponses;
use crate::api::iam_policy::Policy;
use crate::api::model::ApiKeySource;
use crate::api::model::Method;
use crate::api::resource_tree::PATH_PARAMETERS_COMMON;
use crate::api::resource_tree::ResourceTree;
use crate::wire::few::Few;

/// One API under one stage. Made by `api::openapi::import`, never changed afterwards.
#[derive(Debug)]
pub struct Table {
    /// Ten lower-case alphanumerics, the same for the same title.
    pub api_id: String,
    /// `info.title`
    pub title: String,
    /// The first segment of every request path.
    pub stage: String,
    /// Names and values in configuration order.
    pub stage_variables: Vec<(String, String)>,
    /// `x-amazon-apigateway-binary-media-types`
    pub binary_media_types: BinaryMediaTypes,
    /// `x-amazon-apigateway-api-key-source`
    pub api_key_source: ApiKeySource,
    /// `x-amazon-apigateway-minimum-compression-size`: bytes; `None`: no body is coded or decoded.
    pub minimum_compression_size: Option<u64>,
    /// `x-amazon-apigateway-gateway-responses`
    pub gateway_responses: GatewayResponses,
    /// `x-amazon-apigateway-policy`
    pub resource_policy: Option<Policy>,
    /// All methods, in document order; [`Self::resources`] refers to them by index.
    pub methods: Vec<Method>,
    /// Paths to methods.
    pub resources: ResourceTree,
}

/// The method that a request selects.
#[derive(Clone, Debug)]
pub struct Found<'t> {
    /// The method.
    pub method: &'t Method,
    /// Its place in [`Table::methods`].
    pub index: usize,
    /// The path parameters from left to right.
    pub path_parameters: Few<PathParameter<'t>, PATH_PARAMETERS_COMMON>,
}

/// A path parameter of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathParameter<'t> {
    /// The name without braces and `+`.
    pub name: &'t str,
    /// Where the value is in the path that was searched, still percent-encoded.
    pub raw: Range<usize>,
}

impl Table {
    /// The method for a path behind the stage, still percent-encoded (spec 03).
    #[must_use]
    pub fn find(&self, http_method: &[u8], raw_path: &[u8]) -> Option<Found<'_>> {
        let found = self.resources.find(http_method, raw_path)?;
        let name = |(index, raw)| PathParameter {
            name: self.resources.name(index),
            raw,
        };
        Some(Found {
            method: self.methods.get(found.method)?,
            index: found.method,
            path_parameters: found.path_parameters.into_iter().map(name).collect(),
        })
    }

    /// The value of a stage variable.
    #[must_use]
    pub fn stage_variable(&self, name: &str) -> Option<&str> {
        let found = self.stage_variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Ten lower-case alphanumerics from a title (spec README, "API id"): FNV-1a of its bytes in base 36.
#[must_use]
pub fn api_id(title: &str) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const LENGTH: usize = 10;
    let mut hash = fnv_1a(title.as_bytes());
    let mut out = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        let digit = usize::try_from(hash % 36).unwrap_or_default();
        out.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        hash /= 36;
    }
    out
}

/// FNV-1a, 64 bits (draft-eastlake-fnv).
fn fnv_1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_ids_are_stable_and_ten_alphanumerics_long() {
        assert_eq!(fnv_1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        let id = api_id("image-api");
        assert_eq!(id, api_id("image-api"));
        assert_ne!(id, api_id("image-apj"));
        for title in ["", "image-api", "é"] {
            let id = api_id(title);
            assert!(
                id.len() == 10
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
            );
        }
    }
}
