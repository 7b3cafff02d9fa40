//! A client of event streams that remembers what came, and knows of the format what WHATWG HTML, 9.2.6 says.

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::Notify;

use super::rest::Request;
use super::within;

/// One event, or what is left at the end of a block without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StreamEvent {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<StreamEvent>,
    comments: usize,
    retry_ms: Option<u64>,
    has_ended: bool,
}

#[derive(Default)]
struct Ear {
    heard: Mutex<Heard>,
    news: Notify,
}

/// An open stream. Dropping it hangs up.
pub(crate) struct Events {
    pub(crate) headers: http::HeaderMap,
    ear: Arc<Ear>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Events {
    pub(crate) async fn open(request: Request<'_>) -> Self {
        let response = within("an event stream", request.respond()).await;
        assert_eq!(response.status(), 200);
        let (head, body) = response.into_parts();
        let ear = Arc::<Ear>::default();
        let reader = tokio::spawn(read(body, Arc::clone(&ear)));
        Self { headers: head.headers, ear, reader }
    }

    /// Every event so far.
    pub(crate) fn all(&self) -> Vec<StreamEvent> {
        self.ear.heard.lock().unwrap().events.clone()
    }

    /// The first event that is meant, once it has come.
    pub(crate) async fn event(&self, what: &str, is_meant: impl Fn(&StreamEvent) -> bool) -> StreamEvent {
        self.wait(what, |heard| heard.events.iter().find(|event| is_meant(event)).cloned()).await
    }

    /// The push of that number.
    pub(crate) async fn push(&self, topic: latchkey_protocol::Topic, seq: u64) -> StreamEvent {
        let topic = topic.to_string();
        self.event(&format!("{topic} {seq}"), |event| event.name == "push" && event.data["topic"] == *topic && event.data["seq"] == seq)
            .await
    }

    pub(crate) async fn comment(&self) {
        self.wait("a comment", |heard| (heard.comments > 0).then_some(())).await;
    }

    /// The code it ends with, and what the client is told of coming back: by the last event, and by `retry`.
    pub(crate) async fn end(&self) -> (u64, bool, Option<u64>) {
        self.wait("the end", |heard| {
            let last = heard.events.last().filter(|last| heard.has_ended && last.name == "end")?;
            Some((last.data["code"].as_u64()?, last.data["reconnect"].as_bool()?, heard.retry_ms))
        })
        .await
    }

    async fn wait<T>(&self, what: &str, probe: impl Fn(&Heard) -> Option<T>) -> T {
        let found = async {
            loop {
                let mut news = std::pin::pin!(self.ear.news.notified());
                news.as_mut().enable();
                if let Some(found) = probe(&self.ear.heard.lock().unwrap()) {
                    return found;
                }
                news.await;
            }
        };
        within(format!("{what}; so far {:?}", self.ear.heard.lock().unwrap().events.len()), found).await
    }
}

async fn read(mut body: Incoming, ear: Arc<Ear>) {
    let mut text = String::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        text.push_str(std::str::from_utf8(&data).unwrap());
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            ear.heard.lock().unwrap().take(&block);
        }
        ear.news.notify_waiters();
    }
    assert_eq!(text, "", "it ends with a whole block");
    ear.heard.lock().unwrap().has_ended = true;
    ear.news.notify_waiters();
}

impl Heard {
    fn take(&mut self, block: &str) {
        let (mut event, mut has_data) = (StreamEvent::default(), false);
        for line in block.lines().filter(|line| !line.is_empty()) {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("event", name) => name.clone_into(&mut event.name),
                ("id", id) => event.id = Some(id.to_owned()),
                ("data", data) => {
                    assert!(!has_data, "one line of data");
                    event.data = serde_json::from_str(data).unwrap();
                    has_data = true;
                }
                ("retry", ms) => self.retry_ms = Some(ms.parse().unwrap()),
                (":", "") => self.comments += 1,
                other => panic!("{other:?}"),
            }
        }
        if has_data {
            self.events.push(event);
        }
    }
}
