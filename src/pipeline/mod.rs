//! API Gateway's stages, in order. Heads in, heads and body plans out; no I/O.

pub mod access_log;
mod action_input;
pub mod authorize;
pub mod body_plan;
pub mod compression;
pub mod context;
pub mod exchange_record;
pub mod explanation;
pub mod gateway_customisation;
pub mod gateway_response;
pub mod header_rules;
pub mod http_request;
pub mod identity;
mod integration_body;
pub mod integration_fields;
pub mod integration_request;
pub mod integration_response;
pub mod mapping_body;
pub mod metering;
pub mod method_request;
pub mod mock;
pub mod mock_status;
pub mod overrides;
pub mod put_object;
pub mod request_ids;
pub mod request_mapping;
pub mod response_mapping;
pub mod role;
pub mod route;
pub mod route_candidates;
pub mod s3_operation;
pub mod s3_permission;
pub mod sidecar;
pub mod sign;
pub mod signature_fault;
pub mod spans;
pub mod store_path;
pub mod template_choice;
mod template_run;
pub mod trace_context;

#[cfg(test)]
mod sample;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod injection_tests;
