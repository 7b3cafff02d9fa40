//! Documents that are part of the program. They are long and always the same, so they are compressed once and not for each of their readers.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full};
use latchkey_protocol::ErrorCode;
use tokio::sync::OnceCell;
use tower::{Layer as _, ServiceExt as _};
use tower_http::compression::CompressionLayer;
use warp::reply::Response;

use super::{Handled, Problem, file};

/// A document, in each coding that somebody has asked for.
pub(super) struct Document {
    media_type: String,
    plain: Bytes,
    encoded: [(&'static str, OnceCell<Bytes>); 2],
}

impl Document {
    pub(super) fn new(plain: Bytes, media_type: &str) -> Self {
        // The better one first.
        let encoded = ["br", "gzip"].map(|coding| (coding, OnceCell::new()));
        Self { media_type: media_type.to_owned(), plain, encoded }
    }

    /// The document for a client that accepts these codings (RFC 9110, 12.5.3), which may be kept as `cache_control` says.
    pub(super) async fn answer(&self, accepted: &str, cache_control: &'static str) -> Handled {
        let mut answer = match self.encoded(accepted).await? {
            Some((coding, bytes)) => {
                let mut answer = Response::new(bytes.into());
                // The layer that compresses answers leaves those alone that are compressed.
                answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
                answer
            }
            None => Response::new(self.plain.clone().into()),
        };
        answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        file(answer, &self.media_type, cache_control)
    }

    async fn encoded(&self, accepted: &str) -> Result<Option<(&'static str, Bytes)>, Problem> {
        if self.media_type.starts_with("image/") {
            return Ok(None);
        }
        let Some((coding, bytes)) = self.encoded.iter().find(|(coding, _)| accepts(accepted, coding)) else { return Ok(None) };
        let bytes = bytes.get_or_try_init(|| compress(self.plain.clone(), coding)).await?;
        Ok(Some((coding, bytes.clone())))
    }
}

/// Whether an `Accept-Encoding` has a coding.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|choice| {
        let mut words = choice.split(';').map(str::trim);
        let is_it = words.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = words.find_map(|word| word.strip_prefix("q="));
        is_it && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// By what compresses every other answer.
async fn compress(plain: Bytes, coding: &'static str) -> Result<Bytes, Problem> {
    let answer = tower::service_fn(move |_: http::Request<()>| ready(Ok::<_, Infallible>(http::Response::new(Full::new(plain.clone())))));
    let mut request = http::Request::new(());
    request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
    let compressed = CompressionLayer::new().layer(answer).oneshot(request).await.unwrap_or_else(|never| match never {});
    let collected = compressed.into_body().collect().await;
    Ok(collected.map_err(|_| Problem::new(ErrorCode::Internal, "internal error"))?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p10_a_document_is_compressed_once_however_many_read_it() {
        let document = Document::new(Bytes::from("latchkey ".repeat(10_000)), "application/json");
        for (accepted, expected) in
            [("gzip, deflate, br", Some("br")), ("gzip;q=1.0, br;q=0", Some("gzip")), ("identity", None), ("", None)]
        {
            let (first, again) = (document.encoded(accepted).await.unwrap(), document.encoded(accepted).await.unwrap());
            assert_eq!(first.as_ref().map(|(coding, _)| *coding), expected, "{accepted}");
            if let (Some((_, first)), Some((_, again))) = (first, again) {
                assert!(first.len() < 1_000 && first.as_ptr() == again.as_ptr(), "{accepted}");
            }
        }
        let picture = Document::new(Bytes::from("latchkey ".repeat(10_000)), "image/png");
        assert!(picture.encoded("br").await.unwrap().is_none());
    }
}
