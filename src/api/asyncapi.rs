//! The live protocol as documents: a JSON Schema of every message, and AsyncAPI 3.1 around it. `protocol/` has both, and a test says that they are
//! what the types are.

use std::collections::BTreeMap;

use latchkey_protocol::client::{
    AskQuote, Authenticate, BookHold, BookingRef, Command, HoldDates, HoldRef, Pay, ReadMessages, Resume, SendMessage, Subscribe,
    Unsubscribe, UnwatchSearch, WatchSearch,
};
use latchkey_protocol::event::Event;
use latchkey_protocol::rest::ReadNotifications;
use latchkey_protocol::server::{
    Authenticated, Ended, GoAway, Heartbeat, Hello, Pong, Presence, Resumed, SearchUpdate, SearchWatched, Subscribed, TokenExpiring, Typing,
};
use latchkey_protocol::{CloseCode, ErrorCode, MAX_CLIENT_MESSAGE_BYTES, MAX_KEY_BYTES, SUBPROTOCOL, SUBPROTOCOL_MSGPACK, WireError, view};
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// One example of each message, by its name.
pub const EXAMPLES: &str = include_str!("../../protocol/examples.json");

/// What a command is, besides its name.
struct Described {
    command: Command,
    summary: &'static str,
    is_keyed: bool,
    /// Schemas of its data and of its reply; none says nothing.
    data: Option<String>,
    reply: Option<String>,
}

/// Gathers schemas by name.
#[derive(Default)]
struct Schemas(BTreeMap<String, RefOr<Schema>>);

impl Schemas {
    fn add<T: ToSchema>(&mut self) -> String {
        let mut found = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        self.0.extend(found);
        T::name().into_owned()
    }

    fn describe<D: ToSchema, R: ToSchema>(&mut self, command: Command, is_keyed: bool, summary: &'static str) -> Described {
        Described { command, summary, is_keyed, data: Some(self.add::<D>()), reply: Some(self.add::<R>()) }
    }
}

fn commands(schemas: &mut Schemas) -> Vec<Described> {
    use Command as C;
    let pong = Some(schemas.add::<Pong>());
    let unsubscribe = Some(schemas.add::<Unsubscribe>());
    let unwatch = Some(schemas.add::<UnwatchSearch>());
    let booking = Some(schemas.add::<BookingRef>());
    let plain = |command, data, reply, summary| Described { command, summary, is_keyed: false, data, reply };
    vec![
        schemas.describe::<Authenticate, Authenticated>(C::Authenticate, false, "Say who the connection speaks for"),
        schemas.describe::<Authenticate, Authenticated>(C::Refresh, false, "Go on with a newer token of the same user"),
        schemas.describe::<Subscribe, Subscribed>(C::Subscribe, false, "Follow a topic: a snapshot, then every later event"),
        plain(C::Unsubscribe, unsubscribe, None, "Stop following a topic"),
        schemas.describe::<Resume, Resumed>(C::Resume, false, "Follow topics again after a reconnect, from the last event seen of each"),
        plain(C::Ping, None, pong, "Ask for the server's clock"),
        schemas.describe::<WatchSearch, SearchWatched>(
            C::WatchSearch,
            false,
            "Look at the first page of a search, and have it kept current",
        ),
        plain(C::UnwatchSearch, unwatch, None, "Look at a search no longer"),
        schemas.describe::<AskQuote, view::Quote>(C::Quote, false, "Ask what a stay costs"),
        schemas.describe::<HoldDates, view::Hold>(C::Hold, true, "Take nights for a short while"),
        schemas.describe::<HoldRef, view::Hold>(C::ExtendHold, true, "Lengthen one's own live hold"),
        schemas.describe::<HoldRef, view::Hold>(C::ReleaseHold, true, "Give the nights of one's own live hold back"),
        schemas.describe::<BookHold, view::Booking>(C::Book, true, "Turn one's own live hold into a booking that waits for its payment"),
        schemas.describe::<Pay, view::Payment>(C::Pay, true, "Pay for one's own booking"),
        schemas.describe::<BookingRef, view::Booking>(C::Cancel, true, "Call a booking off"),
        schemas.describe::<SendMessage, view::Message>(C::SendMessage, true, "Write to the other side of a booking"),
        schemas.describe::<ReadMessages, view::Thread>(C::ReadMessages, false, "Say how far one has read a thread"),
        plain(C::Typing, booking, None, "Tell the other side that one is writing"),
        schemas.describe::<ReadNotifications, view::UnreadCount>(C::ReadNotifications, false, "Mark notifications as read"),
    ]
}

/// What the server says besides replies and pushes: the field that tells it, its schema, and what it is.
fn notices(schemas: &mut Schemas) -> [(&'static str, String, &'static str); 8] {
    [
        ("hello", schemas.add::<Hello>(), "The first frame of every connection"),
        ("heartbeat", schemas.add::<Heartbeat>(), "After a silence: the newest event of each topic that is followed"),
        ("search", schemas.add::<SearchUpdate>(), "What the page of a watched search has become"),
        ("presence", schemas.add::<Presence>(), "About how many people look at a home now"),
        ("typing", schemas.add::<Typing>(), "The other side of a booking is writing a message"),
        ("token_expiring", schemas.add::<TokenExpiring>(), "The token ends within 30 seconds"),
        ("ended", schemas.add::<Ended>(), "A topic is followed no longer, though nobody unsubscribed"),
        ("goaway", schemas.add::<GoAway>(), "The server will close this connection"),
    ]
}

/// The events as `(type, schema of the data)`, from the schema of all of them.
fn events(schemas: &Map<String, Value>) -> Vec<(String, Value)> {
    let kinds = schemas.get("Event").and_then(|event| event.get("oneOf")).and_then(Value::as_array).into_iter().flatten();
    kinds
        .filter_map(|kind| {
            let name = kind.pointer("/properties/type/enum/0")?.as_str()?;
            Some((name.to_owned(), kind.pointer("/properties/data")?.clone()))
        })
        .collect()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A frame of a client: `id`, `cmd`, and what its command takes.
fn command_frame(described: &Described) -> Value {
    let mut properties = json!({ "id": { "type": "integer", "minimum": 0 }, "cmd": { "const": described.command.as_str() } });
    let mut required = vec!["id", "cmd"];
    if described.is_keyed {
        properties["key"] = json!({ "type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES });
        required.push("key");
    }
    if let Some(data) = &described.data {
        properties["data"] = reference(data);
        required.push("data");
    }
    json!({ "type": "object", "description": described.summary, "properties": properties, "required": required, "additionalProperties": false })
}

fn reply_frame(described: &Described) -> Value {
    let body = described.reply.as_deref().map_or_else(|| json!({ "type": "object", "maxProperties": 0 }), reference);
    json!({
        "type": "object", "description": format!("Reply to `{}`", described.command.as_str()),
        "properties": { "id": { "type": "integer" }, "ok": body }, "required": ["id", "ok"],
    })
}

fn push_frame(kind: &str, data: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "topic": reference("Topic"), "seq": { "type": "integer", "minimum": 1 }, "from_seq": { "type": "integer", "minimum": 1 },
            "type": { "const": kind }, "at": { "type": "integer", "description": "Milliseconds since 1970" }, "data": data,
        },
        "required": ["topic", "seq", "type", "at", "data"],
    })
}

fn notice_frame(field: &str, schema: &str, summary: &str) -> Value {
    json!({ "type": "object", "description": summary, "properties": { field: reference(schema) }, "required": [field] })
}

fn error_frame() -> Value {
    json!({
        "type": "object", "description": "A command was refused",
        "properties": { "id": { "type": ["integer", "null"] }, "error": reference("WireError") }, "required": ["id", "error"],
    })
}

/// Every frame by its name, and the types that they are made of.
struct Frames {
    commands: Vec<Described>,
    /// Name → schema.
    client: BTreeMap<String, Value>,
    server: BTreeMap<String, Value>,
    types: Map<String, Value>,
}

impl Frames {
    fn all() -> Self {
        let mut schemas = Schemas::default();
        let (commands, notices) = (commands(&mut schemas), notices(&mut schemas));
        schemas.add::<Event>();
        schemas.add::<WireError>();
        schemas.0.insert("Topic".to_owned(), latchkey_protocol::Topic::schema());
        let types = json!(schemas.0);
        let mut types = types.as_object().cloned().unwrap_or_default();
        super::openapi::inline_numbers(&mut types);
        let mut all = Value::Object(types);
        into_definitions(&mut all);
        let Value::Object(types) = all else { unreachable!("an object stays one") };
        let client = commands.iter().map(|one| (format!("command.{}", one.command.as_str()), command_frame(one))).collect();
        let mut server: BTreeMap<String, Value> =
            commands.iter().map(|one| (format!("reply.{}", one.command.as_str()), reply_frame(one))).collect();
        server.extend(events(&types).into_iter().map(|(kind, data)| (format!("event.{kind}"), push_frame(&kind, &data))));
        server.extend(notices.into_iter().map(|(field, schema, summary)| (field.to_owned(), notice_frame(field, &schema, summary))));
        server.insert("error".to_owned(), error_frame());
        Self { commands, client, server, types }
    }
}

/// Schemas refer to each other as definitions of one document, and show an example as JSON Schema has it.
fn into_definitions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref") {
                *reference = reference.replace("#/components/schemas/", "#/$defs/");
            }
            if let Some(example) = members.remove("example") {
                members.insert("examples".to_owned(), json!([example]));
            }
            members.values_mut().for_each(into_definitions);
        }
        Value::Array(items) => items.iter_mut().for_each(into_definitions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The JSON Schema (2020-12) of every message: `ClientMessage` and `ServerMessage` are what one frame may be, each message is under its name
/// (`command.hold`, `reply.hold`, `event.availability.changed`, `hello` …), and the types that they share under theirs.
#[must_use]
pub fn schema() -> Value {
    let Frames { client, server, types, .. } = Frames::all();
    let one_of = |frames: &BTreeMap<String, Value>| json!({ "oneOf": frames.keys().map(|name| reference(name)).collect::<Vec<_>>() });
    let mut definitions = types;
    definitions.insert("ClientMessage".to_owned(), one_of(&client));
    definitions.insert("ServerMessage".to_owned(), json!({ "anyOf": one_of(&server)["oneOf"] }));
    definitions.extend(client.into_iter().chain(server));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:latchkey:{SUBPROTOCOL}"),
        "title": "The Latchkey live protocol",
        "$defs": definitions,
    })
}

const ABOUT: &str = "One JSON object per text frame of a WebSocket at `/ws`, subprotocol `latchkey.v1.json`; or, with the subprotocol \
`latchkey.v1.msgpack`, the same object in MessagePack (`application/vnd.msgpack`) per binary frame: maps with the same fields, ids as text. Every command is answered once, by its `id`; \
pushes of a topic are numbered 1, 2, 3 … without gaps. Commands that change something take an idempotency key: the same key and data \
give the first answer, over reconnects and restarts. `protocol/README.md` says what is guaranteed.";

/// The AsyncAPI document.
#[must_use]
pub fn document() -> Value {
    let frames = Frames::all();
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    let messages: Map<String, Value> = frames
        .client
        .iter()
        .chain(&frames.server)
        .map(|(name, schema)| {
            let payload = json!({ "$ref": format!("./schema/latchkey.json#/$defs/{name}") });
            let mut message = json!({ "name": name, "contentType": "application/json", "payload": payload });
            if let Some(summary) = schema.get("description") {
                message["summary"] = summary.clone();
            }
            if let Some(example) = examples.get(name) {
                message["examples"] = json!([{ "payload": example }]);
            }
            (name.clone(), message)
        })
        .collect();
    let in_channel = |name: &str| json!({ "$ref": format!("#/channels/live/messages/{name}") });
    let mut operations = Map::new();
    for Described { command, summary, .. } in &frames.commands {
        let name = command.as_str();
        operations.insert(
            name.to_owned(),
            json!({
                "action": "receive", "channel": { "$ref": "#/channels/live" }, "summary": summary,
                "messages": [in_channel(&format!("command.{name}"))],
                "reply": { "channel": { "$ref": "#/channels/live" }, "messages": [in_channel(&format!("reply.{name}")), in_channel("error")] },
            }),
        );
    }
    let is_pushed = |name: &&String| !name.starts_with("reply.") && *name != "error";
    let pushed: Vec<Value> = frames.server.keys().filter(is_pushed).map(|name| in_channel(name)).collect();
    operations.insert(
        "push".to_owned(),
        json!({
            "action": "send", "channel": { "$ref": "#/channels/live" }, "summary": "What the server says unasked", "messages": pushed,
        }),
    );
    let in_components = |name: &String| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") }));
    let channel_messages: Map<String, Value> = messages.keys().map(in_components).collect();
    json!({
        "asyncapi": "3.1.0",
        "info": { "title": "Latchkey live protocol", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "defaultContentType": "application/json",
        "servers": { "local": { "host": "localhost:8080", "protocol": "ws", "pathname": "/ws" } },
        "channels": { "live": { "address": "/ws", "messages": channel_messages, "bindings": { "ws": handshake() } } },
        "operations": operations,
        "components": { "messages": messages },
        "x-encodings": [
            { "subprotocol": SUBPROTOCOL, "contentType": "application/json", "frames": "text" },
            { "subprotocol": SUBPROTOCOL_MSGPACK, "contentType": "application/vnd.msgpack", "frames": "binary" },
        ],
        "x-close-codes": close_codes(),
        "x-error-codes": error_codes(),
        "x-limits": { "max_message_bytes": MAX_CLIENT_MESSAGE_BYTES, "max_key_bytes": MAX_KEY_BYTES },
    })
}

/// What the upgrade is asked for with.
fn handshake() -> Value {
    let subprotocol = json!({
        "type": "string", "enum": [SUBPROTOCOL, SUBPROTOCOL_MSGPACK], "default": SUBPROTOCOL,
        "description": "What the frames are encoded in: of several the first that the hub knows is chosen",
    });
    json!({ "method": "GET", "headers": { "type": "object", "properties": { "Sec-WebSocket-Protocol": subprotocol } }, "bindingVersion": "0.1.0" })
}

fn close_codes() -> Value {
    let code = |code: CloseCode| json!({ "code": code.number(), "reason": code.reason(), "reconnect": code.should_reconnect() });
    CloseCode::ALL.map(code).into_iter().collect()
}

/// In order of precedence.
fn error_codes() -> Value {
    let code = |code: ErrorCode| json!({ "code": code.as_str(), "retryable": code.retryable(), "meaning": code.meaning() });
    ErrorCode::ALL.map(code).into_iter().collect()
}
