//! A stand-in for Stripe: its API over HTTP, with its shapes, its states, its memory of keys, and whatever trouble a test wants.
//!
//! It knows nothing of the hub. Events are kept for the test to deliver, in whichever order. What is not in Stripe's documentation is
//! refused, as Stripe refuses unknown parameters, so that a wrong name fails here too.

mod account;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) use self::account::Account;

/// The account's key.
pub(crate) const STRIPE_KEY: &str = "sk_test_canary4eC39HqLyjWDarjtT1zdp7dc";

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing is done, and nobody answers.
    Hangs,
    /// It is done, but nobody answers.
    HangsAfter,
    /// It is done, and the connection breaks.
    DropsAfter,
    /// Nothing is done; the failure is kept under the key.
    Fails,
    /// It is done; the failure is kept under the key all the same.
    FailsAfter,
    /// Nothing is done, nothing is kept: too many requests.
    Limits,
    /// Nothing is done, nothing is kept: the key is being worked on.
    IsBusy,
    /// It is done, but a proxy answers with a page.
    GarblesAfter,
}

impl Trouble {
    pub(crate) const ALL: [Self; 8] =
        [Self::Hangs, Self::HangsAfter, Self::DropsAfter, Self::Fails, Self::FailsAfter, Self::Limits, Self::IsBusy, Self::GarblesAfter];
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Such as `confirm`.
    pub(crate) operation: &'static str,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) form: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

struct Kept {
    of: (String, Vec<(String, String)>),
    status: u16,
    body: Value,
}

#[derive(Default)]
struct State {
    account: Account,
    kept: HashMap<String, Kept>,
    troubles: Vec<(&'static str, Trouble)>,
    asked: Vec<Asked>,
}

pub(crate) struct StripeServer {
    /// For `--stripe-api-base`.
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

/// An answer: status, body, and whether it was given before.
struct Answer(u16, Value, bool);

impl StripeServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| serve(request, Arc::clone(&state)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, state }
    }

    /// What happens to the next request of that kind.
    pub(crate) fn trouble(&self, operation: &'static str, trouble: Trouble) {
        self.lock().troubles.push((operation, trouble));
    }

    /// Every trouble that was ordered has happened.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().troubles.is_empty()
    }

    /// What is on the account.
    pub(crate) fn account<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        look(&mut self.lock().account)
    }

    /// The requests of that kind so far.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Asked> {
        self.lock().asked.iter().filter(|asked| asked.operation == operation).cloned().collect()
    }

    /// Keys are forgotten, and what was made can be searched for.
    pub(crate) fn a_day_passes(&self) {
        let mut state = self.lock();
        state.kept.clear();
        state.account.index();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn serve(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let is_post = head.method == Method::POST;
    let form = if is_post { body.to_vec() } else { head.uri.query().unwrap_or_default().as_bytes().to_vec() };
    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&form).unwrap();
    let path = head.uri.path().to_owned();
    if header("authorization") != Some(format!("Bearer {STRIPE_KEY}"))
        || header("stripe-version").is_none_or(|version| !version.starts_with("2025-"))
    {
        return Ok(answer(&Answer(401, error("invalid_request_error", "api_key"), false)));
    }
    let Some(operation) = account::operation(&head.method, &path) else {
        return Ok(answer(&Answer(404, error("invalid_request_error", "url_invalid"), false)));
    };
    let asked = Asked { operation, path, key: header("idempotency-key").filter(|_| is_post), form };
    let (done, trouble) = work(&asked, &mut state.lock().unwrap());
    match trouble {
        Some(Trouble::Hangs | Trouble::HangsAfter) => match pending::<Infallible>().await {},
        Some(Trouble::DropsAfter) => Err(Dropped),
        Some(Trouble::GarblesAfter) => Ok(Response::builder().status(200).body(Full::from("<html>a proxy</html>")).unwrap()),
        Some(Trouble::Fails | Trouble::FailsAfter | Trouble::Limits | Trouble::IsBusy) | None => Ok(answer(&done)),
    }
}

fn work(asked: &Asked, state: &mut State) -> (Answer, Option<Trouble>) {
    state.asked.push(asked.clone());
    let of = (asked.path.clone(), asked.form.clone());
    let at = state.troubles.iter().position(|(operation, _)| *operation == asked.operation);
    if let Some(kept) = asked.key.as_ref().and_then(|key| state.kept.get(key)) {
        let known =
            if kept.of == of { Answer(kept.status, kept.body.clone(), true) } else { Answer(400, error("idempotency_error", ""), false) };
        return (known, None);
    }
    let trouble = at.map(|at| state.troubles.remove(at).1);
    let is_done = !matches!(trouble, Some(Trouble::Hangs | Trouble::Fails | Trouble::Limits | Trouble::IsBusy));
    let (mut status, mut body) = if is_done { state.account.perform(asked) } else { (500, error("api_error", "")) };
    match trouble {
        Some(Trouble::Limits) => return (Answer(429, error("invalid_request_error", "rate_limit"), false), trouble),
        Some(Trouble::IsBusy) => return (Answer(409, error("idempotency_error", "idempotency_key_in_use"), false), trouble),
        Some(Trouble::Hangs) => return (Answer(500, Value::Null, false), trouble),
        Some(Trouble::FailsAfter) => (status, body) = (500, error("api_error", "")),
        Some(Trouble::HangsAfter | Trouble::DropsAfter | Trouble::GarblesAfter | Trouble::Fails) | None => {}
    }
    if let Some(key) = &asked.key {
        state.kept.insert(key.clone(), Kept { of, status, body: body.clone() });
    }
    (Answer(status, body, false), trouble)
}

/// The body of a refusal.
fn error(kind: &str, code: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": "Something about sk_test_****, in words."}})
}

fn answer(Answer(status, body, is_replayed): &Answer) -> Response<Full<Bytes>> {
    let mut answer = Response::builder().status(*status).header("content-type", "application/json").header("request-id", "req_1");
    if *is_replayed {
        answer = answer.header("idempotent-replayed", "true");
    }
    answer.body(Full::from(body.to_string())).unwrap()
}

/// The connection breaks instead of an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped")
    }
}

impl std::error::Error for Dropped {}
