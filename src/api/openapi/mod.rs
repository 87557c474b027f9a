//! Import of Swagger 2.0 and OpenAPI 3.0 documents (spec 01).
