//! An operation of the REST interface: everything that is said about it, once.
//!
//! Routing, `Allow`, authentication, the idempotency key, the body's bound, the OpenAPI document and the authorisation matrix
//! all come from these values; `routes.rs` lists them. A handler therefore starts with a caller who is authenticated, a key that is there and
//! a body that fits.

use std::future::Future;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::Page;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr, Required};
use utoipa::{IntoParams, ToSchema};

use super::Handled;
use crate::api::request::Ask;

/// Largest JSON body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Who may call an operation, as the document says. The router asks for a token; the role, and what of it is theirs, are the service's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody; a token, if there is one, must be valid and may show more.
    Anyone,
    /// Whoever has a valid access token.
    User,
    /// A user with the role of a host.
    Host,
    /// A user with the role of an administrator.
    Admin,
    /// The payment provider, by signature.
    Provider,
}

/// Which limit a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// The caller's, or the address's if nobody is logged in.
    Usual,
    /// The address's for authentication, which is tighter.
    Auth,
    /// None: probes, which cost nothing, and the provider's webhooks.
    Unlimited,
}

/// A request's body.
#[derive(Clone)]
pub enum Body {
    /// JSON of the component with that name.
    Json(Box<RefOr<Schema>>),
    /// Bytes of one of these media types.
    Bytes(&'static [&'static str]),
}

/// A success's body.
#[derive(Clone)]
pub enum Answer {
    /// None.
    Nothing,
    /// JSON of the component with that name.
    Json(Box<RefOr<Schema>>),
    /// Bytes of one of these media types.
    Bytes(&'static [&'static str]),
}

/// Components of the OpenAPI document, by name.
pub(super) type Components = Vec<(String, RefOr<Schema>)>;

type Handler = Box<dyn Fn(Ask) -> BoxFuture<'static, Handled> + Send + Sync>;

/// One method of one path.
pub struct Operation {
    /// Its method; a `GET` is also answered to `HEAD`.
    pub method: Method,
    /// Its path, with `{names}` for what varies, and the last slash.
    pub path: &'static str,
    /// Its name in the document, unique.
    pub id: &'static str,
    /// A sentence for people.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Which limit it counts against.
    pub rate: Rate,
    /// Whether it needs an `Idempotency-Key`.
    pub is_keyed: bool,
    /// Whether it needs `If-Match`.
    pub is_conditional: bool,
    /// Its query, and header fields of its own.
    pub query: Vec<Parameter>,
    /// Parts of its path that are words; the others are UUIDs.
    pub words: &'static [&'static str],
    /// Its body.
    pub body: Option<Body>,
    /// Longest body, in bytes.
    pub max_body_bytes: usize,
    /// The status of its success.
    pub status: StatusCode,
    /// The body of its success.
    pub answer: Answer,
    /// Whether a success carries an `ETag` and `If-None-Match` is honoured.
    pub has_etag: bool,
    /// Its own refusals, besides those that every operation of its shape has; see [`Self::errors`].
    pub refusals: &'static [ErrorCode],
    /// The status of these that may also be a sentence of plain text.
    pub plain_refusal: Option<StatusCode>,
    /// Every schema that it names.
    pub components: Components,
    /// What answers.
    pub(super) run: Handler,
}

/// `GET`.
pub(super) fn get<F: Future<Output = Handled> + Send + 'static>(
    path: &'static str,
    id: &'static str,
    run: impl Fn(Ask) -> F + Send + Sync + 'static,
) -> Operation {
    Operation::new(Method::GET, path, id, run)
}

/// `POST`.
pub(super) fn post<F: Future<Output = Handled> + Send + 'static>(
    path: &'static str,
    id: &'static str,
    run: impl Fn(Ask) -> F + Send + Sync + 'static,
) -> Operation {
    Operation::new(Method::POST, path, id, run)
}

/// `PUT`.
pub(super) fn put<F: Future<Output = Handled> + Send + 'static>(
    path: &'static str,
    id: &'static str,
    run: impl Fn(Ask) -> F + Send + Sync + 'static,
) -> Operation {
    Operation::new(Method::PUT, path, id, run)
}

/// `PATCH`.
pub(super) fn patch<F: Future<Output = Handled> + Send + 'static>(
    path: &'static str,
    id: &'static str,
    run: impl Fn(Ask) -> F + Send + Sync + 'static,
) -> Operation {
    Operation::new(Method::PATCH, path, id, run)
}

/// `DELETE`.
pub(super) fn delete<F: Future<Output = Handled> + Send + 'static>(
    path: &'static str,
    id: &'static str,
    run: impl Fn(Ask) -> F + Send + Sync + 'static,
) -> Operation {
    Operation::new(Method::DELETE, path, id, run)
}

/// A reference to `T` among the components; a list is written where it stands.
fn component<T: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    T::schemas(components);
    let name = component_name(std::any::type_name::<T>());
    if name.starts_with("Vec") {
        return T::schema();
    }
    components.push((name.clone(), T::schema()));
    RefOr::Ref(Ref::from_schema_name(name))
}

/// `a::Page<b::Booking>` is `PageOfBooking`: utoipa's own name leaves out what a generic type is of.
fn component_name(type_name: &str) -> String {
    let words = type_name.split(['<', '>']).filter(|word| !word.is_empty());
    let short: Vec<&str> = words.map(|word| word.rsplit("::").next().unwrap_or(word)).collect();
    short.join("Of")
}

impl Operation {
    fn new<F: Future<Output = Handled> + Send + 'static>(
        method: Method,
        path: &'static str,
        id: &'static str,
        run: impl Fn(Ask) -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            method,
            path,
            id,
            summary: "",
            access: Access::Anyone,
            rate: Rate::Usual,
            is_keyed: false,
            is_conditional: false,
            query: Vec::new(),
            words: &[],
            body: None,
            max_body_bytes: MAX_BODY_BYTES,
            status: StatusCode::NO_CONTENT,
            answer: Answer::Nothing,
            has_etag: false,
            refusals: &[],
            plain_refusal: None,
            components: Vec::new(),
            run: Box::new(move |ask| run(ask).boxed()),
        }
    }

    /// What it does, in a sentence for people.
    pub(super) const fn says(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Only for those.
    pub(super) const fn only(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Counts against that limit.
    pub(super) const fn rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self
    }

    /// Needs an `Idempotency-Key`.
    pub(super) const fn keyed(mut self) -> Self {
        self.is_keyed = true;
        self
    }

    /// Needs `If-Match`, and answers with the new `ETag`.
    pub(super) const fn conditional(mut self) -> Self {
        self.is_conditional = true;
        self.has_etag = true;
        self
    }

    /// Answers with an `ETag`, and with 304 to the `If-None-Match` of it.
    pub(super) const fn tagged(mut self) -> Self {
        self.has_etag = true;
        self
    }

    /// These parts of its path are words, not UUIDs.
    pub(super) const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    /// Has a query of that form.
    pub(super) fn query<Q: IntoParams>(mut self) -> Self {
        self.query = Q::into_params(|| Some(ParameterIn::Query));
        self
    }

    /// Looks at that header field.
    pub(super) fn header(mut self, name: &str, description: &str) -> Self {
        let field = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).description(Some(description));
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        self.query.push(field.required(Required::False).schema(Some(text)).build());
        self
    }

    /// Takes a JSON body of that form.
    pub(super) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(Body::Json(Box::new(component::<T>(&mut self.components))));
        self
    }

    /// Takes bytes of one of these media types, that many at most.
    pub(super) fn takes_bytes(mut self, types: &'static [&'static str], max_body_bytes: usize) -> Self {
        self.body = Some(Body::Bytes(types));
        self.max_body_bytes = max_body_bytes;
        self
    }

    /// Answers 200 with JSON of that form.
    pub(super) fn gives<T: ToSchema>(self) -> Self {
        self.answers::<T>(StatusCode::OK)
    }

    /// Answers 200 with a page of these.
    pub(super) fn gives_page<T: ToSchema>(mut self) -> Self {
        // utoipa does not count what a generic type is of among its parts.
        component::<T>(&mut self.components);
        self.gives::<Page<T>>()
    }

    /// Answers 201 with JSON of that form and its `Location`.
    pub(super) fn creates<T: ToSchema>(self) -> Self {
        self.answers::<T>(StatusCode::CREATED)
    }

    /// Answers that status with JSON of that form.
    pub(super) fn answers<T: ToSchema>(mut self, status: StatusCode) -> Self {
        self.status = status;
        self.answer = Answer::Json(Box::new(component::<T>(&mut self.components)));
        self
    }

    /// Answers that status without a body; 204 if nothing else is said.
    pub(super) const fn answers_nothing(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Answers 200 with bytes of one of these media types.
    pub(super) fn gives_bytes(mut self, types: &'static [&'static str]) -> Self {
        self.status = StatusCode::OK;
        self.answer = Answer::Bytes(types);
        self
    }

    /// Its own refusals.
    pub(super) const fn refuses(mut self, refusals: &'static [ErrorCode]) -> Self {
        self.refusals = refusals;
        self
    }

    /// Its refusal with that status may be a sentence of plain text: probes read no problem details.
    pub(super) const fn refuses_plainly(mut self, status: StatusCode) -> Self {
        self.plain_refusal = Some(status);
        self
    }

    /// The names in its path.
    pub fn path_names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Its noun: the first word of its path.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        match self.path.trim_start_matches('/').split('/').next().unwrap_or_default() {
            noun @ ("auth" | "users" | "admin" | "properties" | "photos" | "quotes" | "holds" | "bookings" | "threads"
            | "notifications" | "reviews" | "payments" | "webhooks") => noun,
            _ => "hub",
        }
    }

    /// Every error it can answer with, in order of precedence.
    #[must_use]
    pub fn errors(&self) -> Vec<ErrorCode> {
        let mut errors = self.refusals.to_vec();
        let mut add = |is_so: bool, codes: &[ErrorCode]| {
            if is_so {
                errors.extend(codes);
            }
        };
        add(self.rate != Rate::Unlimited, &[ErrorCode::RateLimited]);
        add(matches!(self.access, Access::User | Access::Host | Access::Admin), &[ErrorCode::Unauthenticated]);
        add(self.access == Access::Anyone && self.rate == Rate::Usual, &[ErrorCode::Unauthenticated]);
        add(matches!(self.access, Access::Host | Access::Admin), &[ErrorCode::Forbidden]);
        add(self.is_keyed, &[ErrorCode::KeyRequired, ErrorCode::KeyReused]);
        add(self.is_conditional, &[ErrorCode::PreconditionRequired, ErrorCode::PreconditionFailed]);
        add(self.body.is_some(), &[ErrorCode::TooLarge, ErrorCode::Malformed]);
        add(matches!(self.body, Some(Body::Json(_))), &[ErrorCode::Invalid]);
        add(matches!(self.body, Some(Body::Bytes(_))), &[ErrorCode::UnsupportedMediaType]);
        add(!self.query.is_empty(), &[ErrorCode::Invalid]);
        add(self.path.contains('{'), &[ErrorCode::NotFound]);
        add(true, &[ErrorCode::Busy, ErrorCode::Unavailable, ErrorCode::Internal]);
        errors.sort_unstable();
        errors.dedup();
        errors
    }
}
