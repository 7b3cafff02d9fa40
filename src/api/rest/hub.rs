//! The hub itself: for orchestrators, monitoring, and readers of the interface.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use dashmap::DashMap;
use http::{StatusCode, header};
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::ProblemType;
use utoipa_swagger_ui::Config;
use warp::reply::Reply as _;

use super::document::Document;
use super::{Ask, Handled, Problem, ok, tagged_as};
use crate::api::{openapi, problem};
use crate::digest::{hex, sha256};

/// `GET /ws` that asks for an upgrade never comes here.
pub(super) async fn connect(_: Ask) -> Handled {
    Err(Problem::new(ErrorCode::UpgradeRequired, "this address speaks WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`"))
}

pub(super) async fn healthz(_: Ask) -> Handled {
    Ok("ok\n".into_response())
}

pub(super) async fn readyz(ask: Ask) -> Handled {
    let no = |why: &'static str| Ok(warp::reply::with_status(why, StatusCode::SERVICE_UNAVAILABLE).into_response());
    if !ask.context.ready.load(Ordering::Relaxed) {
        return no("starting or draining\n");
    }
    if !ask.services.search.is_ready() {
        return no("the search index is being built\n");
    }
    if !(ask.context.has_room)() {
        return no("no room on the disk\n");
    }
    if !(ask.context.hears_database)() {
        return no("the database does not answer\n");
    }
    Ok("ready\n".into_response())
}

pub(super) async fn metrics(ask: Ask) -> Handled {
    let metrics = ask.context.metrics.as_ref().ok_or_else(|| Problem::new(ErrorCode::NotFound, "metrics are not recorded"))?;
    Ok(metrics.render().into_response())
}

pub(super) async fn problems(_: Ask) -> Handled {
    let types = ErrorCode::ALL.map(|code| ProblemType {
        kind: problem::kind(code),
        code,
        status: problem::status(code).as_u16(),
        retryable: code.retryable(),
        meaning: code.meaning().to_owned(),
    });
    ok(&types)
}

/// The document as it is served, and its tag, written once.
static DOCUMENT: LazyLock<(Document, String)> = LazyLock::new(|| {
    let text = Bytes::from(openapi::text());
    let tag = hex(&sha256(&text)[..8]);
    (Document::new(text, "application/json"), tag)
});

pub(super) async fn document(ask: Ask) -> Handled {
    let (document, tag) = &*DOCUMENT;
    tagged_as(tag, document.answer(accepted(&ask), "no-cache").await)
}

fn accepted(ask: &Ask) -> &str {
    ask.header(header::ACCEPT_ENCODING.as_str()).unwrap_or_default()
}

pub(super) async fn docs(ask: Ask) -> Handled {
    if !ask.has_last_slash() {
        let there = warp::reply::with_header(StatusCode::PERMANENT_REDIRECT, header::LOCATION, "/docs/");
        return Ok(there.into_response());
    }
    ui_file(&ask, "index.html").await
}

pub(super) async fn docs_file(ask: Ask) -> Handled {
    ui_file(&ask, &ask.path::<String>("file")?).await
}

/// Files of Swagger UI, which is part of the program, as far as anybody has asked for them.
static UI_FILES: LazyLock<DashMap<String, Arc<Document>>> = LazyLock::new(DashMap::new);

async fn ui_file(ask: &Ask, name: &str) -> Handled {
    let known = UI_FILES.get(name).map(|known| Arc::clone(&known));
    let document = if let Some(known) = known {
        known
    } else {
        let found = utoipa_swagger_ui::serve(name, Arc::new(Config::from("/openapi.json"))).ok().flatten();
        let found = found.ok_or_else(|| Problem::new(ErrorCode::NotFound, "no such file"))?;
        let document = Document::new(found.bytes.into_owned().into(), &found.content_type);
        Arc::clone(&UI_FILES.entry(name.to_owned()).or_insert_with(|| Arc::new(document)))
    };
    let answer = document.answer(accepted(ask), "public, max-age=3600").await?;
    // Swagger UI styles its elements where they stand.
    let policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
                  frame-ancestors 'none'";
    Ok(warp::reply::with_header(answer, header::CONTENT_SECURITY_POLICY, policy).into_response())
}
