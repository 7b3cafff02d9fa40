//! What no route takes: paths that do not exist, methods a path does not have, query strings that cannot be read.
//!
//! `OPTIONS` and the `Allow` of a 405 (RFC 9110, 15.5.6) come from [`METHODS`], since a route that declines a request does not say
//! what it would have taken. `HEAD` never comes this far: the accept loop turns it into `GET`.

use std::convert::Infallible;
use std::future::ready;

use http::{HeaderValue, Method, StatusCode, header};
use latchkey_protocol::ErrorCode;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::{Reply as _, Response};
use warp::{Filter as _, Rejection};

use super::problem::Problem;
use super::rest::METHODS;

/// After every route: answers for paths that exist and methods they do not have.
pub(super) fn methods() -> BoxedFilter<(Response,)> {
    warp::path::full()
        .and(warp::method())
        .and_then(|path: FullPath, method: Method| ready(answer(path.as_str(), &method).ok_or_else(warp::reject::reject)))
        .boxed()
}

fn answer(path: &str, method: &Method) -> Option<Response> {
    let allow = allowed(path)?;
    let mut response = if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else if allow.split(", ").any(|allowed| allowed == method.as_str()) {
        // The route had another reason.
        return None;
    } else {
        Problem::new(ErrorCode::MethodNotAllowed, format!("this route takes {allow}")).into_response()
    };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    Some(response)
}

/// The methods of a path, if there is such a path.
fn allowed(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let matches = |pattern: &str| {
        let (mut words, mut segments) = (pattern.split('/'), path.split('/'));
        words.all(|word| segments.next().is_some_and(|segment| word == "*" || word == segment)) && segments.next().is_none()
    };
    METHODS.iter().find(|(pattern, _)| matches(pattern)).map(|(_, allow)| *allow)
}

/// Any other rejection.
pub(super) async fn as_problem(rejection: Rejection) -> Result<Response, Infallible> {
    let problem = if rejection.is_not_found() {
        Problem::new(ErrorCode::NotFound, "no such route")
    } else if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        Problem::invalid("query", "the query string has a field that is missing, unknown or of the wrong form")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        Problem::new(ErrorCode::MethodNotAllowed, "this route has no such method")
    } else {
        tracing::error!(?rejection, "a request was rejected for a reason nobody expected");
        Problem::new(ErrorCode::Internal, "internal error")
    };
    Ok(problem.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_with_and_without_its_last_slash_and_whatever_the_id() {
        for (path, allow) in [
            ("/auth/login/", Some("POST, OPTIONS")),
            ("/auth/login", Some("POST, OPTIONS")),
            ("/bookings/", Some("GET, HEAD, POST, OPTIONS")),
            ("/bookings/01890a5d-ac96-774b-bcce-b302099a8057/", Some("GET, HEAD, OPTIONS")),
            ("/bookings/01890a5d-ac96-774b-bcce-b302099a8057/cancel/", Some("POST, OPTIONS")),
            ("/bookings/01890a5d-ac96-774b-bcce-b302099a8057/burn/", None),
            ("/auth/", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(allowed(path), allow, "{path}");
        }
    }

    #[test]
    fn what_a_route_has_declined_is_answered_only_if_its_method_was_the_reason() {
        let status = |path, method| answer(path, &method).map(|response| (response.status(), response.headers()[header::ALLOW].clone()));
        let allow = || HeaderValue::from_static("GET, HEAD, OPTIONS");
        assert_eq!(status("/ws", Method::POST), Some((StatusCode::METHOD_NOT_ALLOWED, allow())));
        assert_eq!(status("/ws", Method::OPTIONS), Some((StatusCode::NO_CONTENT, allow())));
        assert_eq!(status("/ws", Method::GET), None);
        assert_eq!(status("/nowhere/", Method::OPTIONS), None);
    }
}
