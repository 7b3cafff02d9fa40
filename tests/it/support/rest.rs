//! A REST client that hides nothing: any method, header and body, and the whole answer.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::within;

#[derive(Clone)]
pub(crate) struct Rest {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub(crate) struct Request<'a> {
    rest: &'a Rest,
    head: http::request::Builder,
    body: Bytes,
    what: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    what: String,
}

impl Rest {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// A client with a network address of its own; all of 127.0.0.0/8 is this machine.
    pub(crate) fn from_place(address: SocketAddr, place: IpAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some(place));
        Self { address, client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request<'_> {
        let what = format!("{method} {path}");
        let head = http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        Request { rest: self, head, body: Bytes::new(), what }
    }

    pub(crate) fn get(&self, path: &str) -> Request<'_> {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Request<'_> {
        self.request(Method::POST, path)
    }
}

impl Request<'_> {
    pub(crate) fn header(mut self, name: impl Into<HeaderName>, value: &str) -> Self {
        self.head = self.head.header(name.into(), value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header(HeaderName::from_static("idempotency-key"), key)
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        self.text(&serde_json::to_string(body).unwrap())
    }

    pub(crate) fn text(self, body: &str) -> Self {
        let mut request = self.header(CONTENT_TYPE, "application/json");
        request.body = Bytes::copy_from_slice(body.as_bytes());
        request
    }

    pub(crate) fn raw(self, kind: &str, body: Vec<u8>) -> Self {
        let mut request = self.header(CONTENT_TYPE, kind);
        request.body = Bytes::from(body);
        request
    }

    /// Sends it; a connection that breaks is a failure of the test.
    pub(crate) async fn send(self) -> Answer {
        let what = self.what.clone();
        within(&what, self.try_send()).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends it; the answer before its body has come.
    pub(crate) async fn respond(self) -> http::Response<hyper::body::Incoming> {
        let request = self.head.body(Full::new(self.body)).unwrap();
        self.rest.client.request(request).await.unwrap()
    }

    pub(crate) async fn try_send(self) -> Result<Answer, hyper_util::client::legacy::Error> {
        let request = self.head.body(Full::new(self.body)).unwrap();
        let (head, body) = self.rest.client.request(request).await?.into_parts();
        // An event stream does not end: whoever wants its events reads them with `Events`.
        let is_stream = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream { Bytes::new() } else { body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default() };
        Ok(Answer { status: head.status, headers: head.headers, body, what: self.what })
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text()))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn expect_json<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.text());
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The refusal that was expected, with every member of RFC 9457 and ours.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: ErrorCode) -> Problem {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.what);
        let members: serde_json::Map<String, serde_json::Value> = self.json();
        for member in ["type", "title", "status", "detail", "code", "message", "retryable"] {
            assert!(members.contains_key(member), "{} lacks {member}: {}", self.what, self.text());
        }
        let problem: Problem = self.json();
        assert_eq!(problem.error.code, code, "{}: {}", self.what, self.text());
        assert_eq!((problem.kind, problem.status), (format!("urn:latchkey:problem:{}", code.as_str()), status), "{}", self.what);
        assert!(!problem.title.is_empty() && !problem.detail.is_empty(), "{}", self.what);
        assert_eq!(problem.error.retryable, code.retryable(), "{}", self.what);
        self.json()
    }
}
