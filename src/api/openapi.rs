//! The OpenAPI 3.1 document, made from the operations; `openapi.json` at the top of the repository is the same text, and a test says so.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use latchkey_protocol::rest::Problem as ProblemBody;
use latchkey_protocol::{ErrorCode, MAX_KEY_BYTES, WireError};
use serde_json::Value;
use utoipa::openapi::header::Header;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
    example::{Example, ExampleBuilder},
};
use utoipa::{PartialSchema as _, ToSchema};

use super::problem;
use super::rest::{Access, Answer, Body, Operation, Rate, operations};
use crate::provider::sandbox::SIGNATURE_HEADER;

const TOKEN: &str = "token";

const TAGS: [(&str, &str); 14] = [
    ("auth", "Accounts and sessions. An access token lasts 15 minutes and goes into `Authorization: Bearer …`."),
    ("users", "People: one's own account, and what others may see of it."),
    ("admin", "For administrators."),
    ("properties", "Homes: their facts, rules, prices, nights and photos."),
    ("photos", "Photos of homes, as files."),
    ("quotes", "What a stay costs."),
    ("holds", "Nights taken for a short while, to think and to pay."),
    ("bookings", "Stays, and what their two sides write to each other."),
    ("threads", "One's threads of messages, one per booking."),
    ("notifications", "What one should know of one's bookings, and of what one wants to be told how."),
    ("reviews", "What guests say about stays, and hosts about guests: sealed until both have, or for 14 days."),
    ("payments", "Paying for a booking."),
    ("webhooks", "For payment providers."),
    ("hub", "The hub itself."),
];

const ABOUT: &str = "The backend of a rental platform whose every change is pushed, live and in order, to everyone who may see it. \
The live side is a WebSocket at `/ws`; this document is about REST.\n\n\
Every creation takes an `Idempotency-Key`: the same key and body give the first result, another body is refused. Every change of a thing that has \
an `ETag` takes `If-Match`. Errors are problem details (RFC 9457); `GET /problems/` says what each type means. Lists have opaque cursors. \
Amounts are in minor units of an ISO 4217 currency, dates are local dates of the home, instants are milliseconds since 1970 (UTC).";

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let all = operations();
    let mut components: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let mut paths = PathsBuilder::new();
    let mut problem = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut problem);
    components.extend(problem);
    for operation in &all {
        components.extend(operation.components.iter().cloned());
    }
    let mut by_path: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &all {
        by_path.entry(operation.path).or_default().push(operation);
    }
    for (path, operations) in by_path {
        let mut item = utoipa::openapi::path::PathItemBuilder::new();
        for operation in operations {
            item = item.operation(method(&operation.method), describe(operation, &followers(operation, &all)));
        }
        paths = paths.path(public_path(path), item.build());
    }
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let mut built = ComponentsBuilder::new().security_scheme(TOKEN, SecurityScheme::Http(scheme.build()));
    for (name, schema) in components {
        built = built.schema(name, schema);
    }
    for code in ErrorCode::ALL {
        let value = serde_json::to_value(problem::body(WireError::new(code, code.meaning()))).ok();
        built = built.example(code.as_str(), ExampleBuilder::new().summary(code.meaning()).value(value).build());
    }
    let info = InfoBuilder::new().title("Latchkey").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let tags = TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build());
    OpenApiBuilder::new().info(info.build()).paths(paths.build()).components(Some(built.build())).tags(Some(tags)).build()
}

/// The document as it is served and checked in.
///
/// # Panics
/// Never: what utoipa builds can be written as JSON.
#[must_use]
pub fn text() -> String {
    let mut document = serde_json::to_value(document()).expect("an OpenAPI document is JSON");
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        inline_numbers(schemas);
    }
    replace_references(&mut document);
    let paths = document.pointer_mut("/paths").and_then(Value::as_object_mut).into_iter().flat_map(serde_json::Map::values_mut);
    let operations = paths.filter_map(Value::as_object_mut).flat_map(serde_json::Map::values_mut);
    let parameters = operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut()).flatten();
    parameters.filter_map(|parameter| parameter.get_mut("schema")).for_each(refuse_null);
    let mut text = serde_json::to_string_pretty(&document).expect("a value is JSON");
    text.push('\n');
    text
}

/// Components that are only another name for a number, since utoipa does not see through type aliases.
const NUMBERS: [&str; 2] = ["i64", "u64"];

/// Writes numbers where they stand, instead of as schemas of their own.
pub(super) fn inline_numbers(schemas: &mut serde_json::Map<String, Value>) {
    schemas.retain(|name, _| !NUMBERS.contains(&name.as_str()));
    schemas.values_mut().for_each(replace_references);
}

fn replace_references(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
            if let Some(number) = NUMBERS.iter().find(|number| reference == Some(**number)) {
                members.remove("$ref");
                members.insert("type".to_owned(), "integer".into());
                members.insert("format".to_owned(), "int64".into());
                if *number == "u64" {
                    members.insert("minimum".to_owned(), 0.into());
                }
            }
            members.values_mut().for_each(replace_references);
        }
        Value::Array(items) => items.iter_mut().for_each(replace_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A parameter is there or not; only JSON has a null.
fn refuse_null(schema: &mut Value) {
    let is_null = |value: &Value| value == "null" || value.get("type").is_some_and(|kind| kind == "null");
    if let Some(kinds) = schema.get_mut("type").filter(|kinds| kinds.is_array()) {
        let kind = kinds.as_array().and_then(|kinds| kinds.iter().find(|kind| !is_null(kind))).cloned();
        *kinds = kind.unwrap_or_default();
    }
    let choices = schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let other: Vec<Value> = choices.into_iter().filter(|choice| !is_null(choice)).collect();
    if let [only] = other.as_slice() {
        *schema = only.clone();
    }
}

/// Files have no last slash in their names.
fn public_path(path: &str) -> &str {
    match path {
        "/openapi.json/" | "/healthz/" | "/readyz/" | "/metrics/" | "/ws/" | "/docs/{file}/" => path.trim_end_matches('/'),
        path => path,
    }
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// What can be done next with a thing that was created: the operations below its collection.
fn followers<'a>(creation: &Operation, all: &'a [Operation]) -> Vec<&'a Operation> {
    let is_below = |other: &&Operation| {
        let rest = other.path.strip_prefix(creation.path).filter(|rest| rest.starts_with('{'));
        rest.is_some() && other.path_names().count() == creation.path_names().count() + 1
    };
    if creation.status == StatusCode::CREATED { all.iter().filter(is_below).collect() } else { Vec::new() }
}

fn describe(operation: &Operation, followers: &[&Operation]) -> utoipa::openapi::path::Operation {
    let mut described = OperationBuilder::new().operation_id(Some(operation.id)).summary(Some(operation.summary)).tag(operation.tag());
    for name in operation.path_names() {
        described = described.parameter(path_parameter(operation, name));
    }
    for parameter in &operation.query {
        described = described.parameter(parameter.clone());
    }
    if operation.is_keyed {
        described = described.parameter(key_parameter());
    }
    if operation.is_conditional {
        described = described.parameter(if_match_parameter());
    }
    if operation.access == Access::Provider {
        described =
            described.parameter(header_parameter(SIGNATURE_HEADER, "The signature: of the sandbox. Stripe sends `Stripe-Signature`."));
    }
    match operation.access {
        Access::User | Access::Host | Access::Admin => {
            described = described.security(SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, []));
        }
        Access::Anyone if operation.rate == Rate::Usual => {
            let (anonymous, known) = (SecurityRequirement::default(), SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, []));
            described = described.security(anonymous).security(known);
        }
        Access::Anyone | Access::Provider => {}
    }
    if let Some(body) = &operation.body {
        described = described.request_body(Some(request_body(body)));
    }
    described = described.response(operation.status.as_str(), success(operation, followers));
    if operation.has_etag && operation.method == Method::GET {
        described = described.response("304", Response::new("It still has the `ETag` of `If-None-Match`."));
    }
    for (status, codes) in by_status(&operation.errors()) {
        described = described.response(status.as_str(), refusal(operation, status, &codes));
    }
    described.build()
}

fn by_status(codes: &[ErrorCode]) -> BTreeMap<StatusCode, Vec<ErrorCode>> {
    let mut by_status: BTreeMap<StatusCode, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(problem::status(*code)).or_default().push(*code);
    }
    by_status
}

fn path_parameter(operation: &Operation, name: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let schema = match name {
        // What is counted within its noun.
        "number" => ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(u32::MAX)),
        word if operation.words.contains(&word) => text,
        _ => text.format(Some(SchemaFormat::Custom("uuid".to_owned()))),
    };
    ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(schema.build())).build()
}

fn header_parameter(name: &str, about: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::True);
    parameter.description(Some(about)).schema(Some(schema)).build()
}

fn key_parameter() -> Parameter {
    // Visible ASCII, and spaces between: other bytes are refused, since not every client and proxy keeps them.
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(MAX_KEY_BYTES))
        .pattern(Some("^[!-~]([ -~]*[!-~])?$"));
    let parameter = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header).required(Required::True);
    let about = "Of your choice, one for each intention: saying it twice does it once.";
    parameter.description(Some(about)).schema(Some(schema.build())).build()
}

fn if_match_parameter() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let parameter = ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header).required(Required::True);
    parameter.description(Some("The `ETag` that the change is based on.")).schema(Some(schema)).example(Some("\"v1\"".into())).build()
}

fn request_body(body: &Body) -> RequestBody {
    let built = RequestBodyBuilder::new().required(Some(Required::True));
    match body {
        Body::Json(schema) => built.content("application/json", Content::new(Some(schema.as_ref().clone()))).build(),
        Body::Bytes(types) => types.iter().fold(built, |built, kind| built.content(*kind, bytes_content())).build(),
    }
}

fn bytes_content() -> Content {
    let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    Content::new(Some(schema.build()))
}

fn text_content() -> Content {
    Content::new(Some(ObjectBuilder::new().schema_type(Type::String).build()))
}

fn success(operation: &Operation, followers: &[&Operation]) -> Response {
    let status = operation.status;
    let mut built = ResponseBuilder::new().description(status.canonical_reason().unwrap_or("Done"));
    let text = || Header::new(ObjectBuilder::new().schema_type(Type::String).build());
    if status == StatusCode::CREATED {
        built = built.header("Location", text());
    }
    if operation.has_etag {
        built = built.header("ETag", text());
    }
    for follower in followers {
        let known = operation.path_names().map(|name| (name, format!("$request.path.{name}")));
        let new = follower.path_names().last().map(|name| (name, "$response.body#/id".to_owned()));
        let link = known.chain(new).fold(LinkBuilder::new().operation_id(follower.id), |link, (name, place)| link.parameter(name, place));
        built = built.link(follower.id, link.build());
    }
    match &operation.answer {
        Answer::Nothing => built.build(),
        Answer::Json(schema) => built.content("application/json", Content::new(Some(schema.as_ref().clone()))).build(),
        Answer::Bytes(types) => types
            .iter()
            .fold(built, |built, kind| built.content(*kind, if *kind == "application/json" { json_content() } else { text_content() }))
            .build(),
    }
}

fn json_content() -> Content {
    Content::new(Some(ObjectBuilder::new().schema_type(Type::Object).build()))
}

fn refusal(operation: &Operation, status: StatusCode, codes: &[ErrorCode]) -> Response {
    let schema = RefOr::<Schema>::Ref(Ref::from_schema_name(ProblemBody::name()));
    let examples =
        codes.iter().map(|code| (code.as_str(), RefOr::<Example>::Ref(Ref::new(format!("#/components/examples/{}", code.as_str())))));
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    let named: Vec<String> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let about = format!("{}: {}", status.canonical_reason().unwrap_or("Refused"), named.join(", "));
    let built = ResponseBuilder::new().description(about).content("application/problem+json", content);
    if operation.plain_refusal == Some(status) { built.content("text/plain", text_content()).build() } else { built.build() }
}
