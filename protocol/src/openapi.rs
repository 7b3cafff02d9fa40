//! How the types with a text form of their own look in an OpenAPI document.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};

/// A string of that format.
pub(crate) fn text(format: &str, example: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom(format.to_owned())));
    RefOr::T(Schema::Object(schema.examples([example]).build()))
}
