//! `examples.json`: one example of each message. They are read and written again as the types say; the TypeScript client's tests read them too.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{
    AskQuote, Authenticate, BookHold, BookingRef, Command, Envelope, HoldDates, HoldRef, Pay, ReadMessages, Resume, SendMessage, Subscribe,
    Unsubscribe, UnwatchSearch, WatchSearch,
};
use crate::event::Event;
use crate::rest::ReadNotifications;
use crate::server::{Authenticated, OkReply, Pong, Push, Resumed, SearchWatched, ServerMessage, Subscribed};
use crate::view;

fn examples() -> BTreeMap<String, Value> {
    serde_json::from_str(include_str!("../examples.json")).unwrap()
}

/// Reads it as `T`, and says how `T` writes it.
fn again<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
    serde_json::to_value(read).unwrap()
}

fn data_again(command: Command, data: &Value) -> Value {
    match command {
        Command::Authenticate | Command::Refresh => again::<Authenticate>(data),
        Command::Subscribe => again::<Subscribe>(data),
        Command::Unsubscribe => again::<Unsubscribe>(data),
        Command::Resume => again::<Resume>(data),
        Command::Ping => panic!("no data"),
        Command::WatchSearch => again::<WatchSearch>(data),
        Command::UnwatchSearch => again::<UnwatchSearch>(data),
        Command::Quote => again::<AskQuote>(data),
        Command::Hold => again::<HoldDates>(data),
        Command::ExtendHold | Command::ReleaseHold => again::<HoldRef>(data),
        Command::Book => again::<BookHold>(data),
        Command::Pay => again::<Pay>(data),
        Command::Cancel | Command::Typing => again::<BookingRef>(data),
        Command::SendMessage => again::<SendMessage>(data),
        Command::ReadMessages => again::<ReadMessages>(data),
        Command::ReadNotifications => again::<ReadNotifications>(data),
    }
}

fn reply_again(command: Command, body: &Value) -> Value {
    match command {
        Command::Authenticate | Command::Refresh => again::<Authenticated>(body),
        Command::Subscribe => again::<Subscribed>(body),
        Command::Unsubscribe | Command::UnwatchSearch | Command::Typing => again::<BTreeMap<String, Value>>(body),
        Command::Resume => again::<Resumed>(body),
        Command::Ping => again::<Pong>(body),
        Command::WatchSearch => again::<SearchWatched>(body),
        Command::Quote => again::<view::Quote>(body),
        Command::Hold | Command::ExtendHold | Command::ReleaseHold => again::<view::Hold>(body),
        Command::Book | Command::Cancel => again::<view::Booking>(body),
        Command::Pay => again::<view::Payment>(body),
        Command::SendMessage => again::<view::Message>(body),
        Command::ReadMessages => again::<view::Thread>(body),
        Command::ReadNotifications => again::<view::UnreadCount>(body),
    }
}

#[test]
fn every_command_and_its_reply_read_and_write_as_their_example() {
    let examples = examples();
    for command in Command::ALL {
        let asked = &examples[&format!("command.{}", command.as_str())];
        let envelope: Envelope<String, Value> = serde_json::from_value(asked.clone()).unwrap();
        assert_eq!((envelope.cmd.as_str(), &serde_json::to_value(&envelope).unwrap()), (command.as_str(), asked));
        if let Some(data) = &envelope.data {
            assert_eq!(&data_again(command, data), data, "{}", command.as_str());
        }
        let told = &examples[&format!("reply.{}", command.as_str())];
        let reply: OkReply<Value> = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(reply_again(command, &reply.ok), reply.ok, "{}", command.as_str());
    }
}

#[test]
fn everything_else_a_server_sends_reads_and_writes_as_its_example() {
    for (name, example) in examples().into_iter().filter(|(name, _)| !name.starts_with("command.")) {
        assert_eq!(again::<ServerMessage<Value>>(&example), example, "{name}");
        if let Some(kind) = name.strip_prefix("event.") {
            let push: Push<Value> = serde_json::from_value(example).unwrap();
            let event = serde_json::json!({ "type": push.kind, "data": push.data });
            let read: Event = serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!((read.kind(), serde_json::to_value(&read).unwrap()), (kind, event));
        }
    }
}
