//! `GET /events/`: topics as server-sent events.

use http::{HeaderValue, header};
use latchkey_protocol::Topic;
use utoipa::IntoParams;
use warp::reply::Reply as _;

use super::{Ask, Handled, Problem};
use crate::api::ws::EventStream;

/// The media type.
pub(super) const MEDIA_TYPES: &[&str] = &["text/event-stream"];

/// Where a stream that is broken goes on.
pub(super) const LAST_EVENT_ID: &str = "last-event-id";

/// Most topics of one stream: its events' ids have a number for each.
const MAX_TOPICS: usize = 16;

/// What is followed.
#[derive(Debug, IntoParams)]
pub(super) struct EventsQuery {
    /// A topic, such as `property:01890a5d-ac96-774b-bcce-b302099a8057`; once for each, 16 at most.
    #[param(value_type = Vec<String>, min_items = 1, max_items = 16)]
    topic: Vec<Topic>,
}

impl EventsQuery {
    fn of(ask: &Ask) -> Result<Self, Problem> {
        let mut topic = Vec::new();
        for (name, value) in ask.query::<Vec<(String, String)>>()? {
            if name != "topic" {
                return Err(Problem::invalid(&name, format!("unknown field `{name}`, expected `topic`")));
            }
            let read: Topic =
                value.parse().map_err(|fault: latchkey_protocol::topic::InvalidTopic| Problem::invalid("topic", fault.to_string()))?;
            if !topic.contains(&read) {
                topic.push(read);
            }
        }
        if topic.is_empty() || topic.len() > MAX_TOPICS {
            return Err(Problem::invalid("topic", format!("a stream has 1 to {MAX_TOPICS} topics")));
        }
        Ok(Self { topic })
    }
}

pub(super) async fn follow(ask: Ask) -> Handled {
    let EventsQuery { topic: topics } = EventsQuery::of(&ask)?;
    let caller = ask.known_caller();
    for topic in &topics {
        ask.services.topics.authorise(caller.as_ref(), *topic).await?;
    }
    let stream = EventStream::open(&ask.context.live, ask.customer(), caller, topics, ask.header(LAST_EVENT_ID))?;
    if caller.is_some() {
        // Found by revocations from here on; one that came before is found by this.
        ask.authenticate()?;
    }
    let mut response = warp::reply::stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers before they pass them on would keep it for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
