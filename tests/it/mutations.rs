//! Fuzzing the way from a frame to a command: every example of the protocol, mutated at random, said to a real hub by somebody who is logged in.
//!
//! Whatever a message is, it is answered exactly once, never by `internal`, and the connection goes on. `LATCHKEY_MUTATIONS` says more of them,
//! `LATCHKEY_SEED` the same ones again.

use futures_util::{SinkExt as _, StreamExt as _};
use latchkey_protocol::{MAX_CLIENT_MESSAGE_BYTES, SUBPROTOCOL, SUBPROTOCOL_MSGPACK};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::hub::list_home;
use crate::support::seed::Seed;
use crate::support::socket::connect_offering;
use crate::support::{Guest, Hub, nights, within};

/// Messages that may be unanswered before the answers are waited for.
const UNANSWERED: usize = 40;

/// Speaks one of the encodings, and counts answers.
struct Speaker {
    socket: WebSocketStream<TcpStream>,
    is_packed: bool,
    unanswered: usize,
    /// The last messages, for whoever reads a failure.
    said: Vec<String>,
}

impl Speaker {
    async fn begin(hub: &Hub, guest: &Guest, subprotocol: &str) -> Self {
        let stream = TcpStream::connect(hub.address).await.unwrap();
        let (socket, _) = connect_offering(hub.address, stream, subprotocol).await;
        let mut speaker = Self { socket, is_packed: subprotocol == SUBPROTOCOL_MSGPACK, unanswered: 0, said: Vec::new() };
        let authenticate = json!({"id": 1, "cmd": "authenticate", "data": {"token": guest.tokens.access_token}});
        speaker.say(speaker.encoded(&authenticate)).await;
        speaker.hear_all().await;
        speaker
    }

    fn encoded(&self, value: &Value) -> Vec<u8> {
        if self.is_packed { rmp_serde::to_vec_named(value).unwrap() } else { value.to_string().into_bytes() }
    }

    async fn say(&mut self, mut message: Vec<u8>) {
        message.truncate(MAX_CLIENT_MESSAGE_BYTES);
        let text = String::from_utf8_lossy(&message).into_owned();
        self.said.push(text.clone());
        let message = if self.is_packed { Message::binary(message) } else { Message::text(text) };
        // A text may have become longer by what stands for broken characters.
        if message.len() > MAX_CLIENT_MESSAGE_BYTES {
            return;
        }
        self.socket.send(message).await.unwrap();
        self.unanswered += 1;
        if self.unanswered >= UNANSWERED {
            self.hear_all().await;
        }
    }

    /// Hears until everything is answered.
    async fn hear_all(&mut self) {
        while self.unanswered > 0 {
            let last = self.said.len().saturating_sub(UNANSWERED);
            let said = self.said[last..].join("\n");
            let frame = within(format_args!("an answer to each of\n{said}"), self.socket.next()).await;
            let value: Value = match frame {
                Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Binary(bytes))) => rmp_serde::from_slice(&bytes).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                other => panic!("the connection ended ({other:?}) after\n{said}"),
            };
            if value.get("id").is_some() {
                assert_ne!(value["error"]["code"], "internal", "{value} to one of\n{said}");
                self.unanswered -= 1;
            }
        }
        self.said.clear();
    }
}

/// The commands of the examples, about things that are there.
fn commands(known: &[(&str, String)]) -> Vec<Value> {
    let mut text = include_str!("../../protocol/examples.json").to_owned();
    for (example, real) in known {
        text = text.replace(example, real);
    }
    let examples: Map<String, Value> = serde_json::from_str(&text).unwrap();
    let commands = examples.into_iter().filter(|(name, _)| name.starts_with("command.")).map(|(_, example)| example);
    // What would log in as somebody else, or as nobody.
    commands.filter(|example| !matches!(example["cmd"].as_str(), Some("authenticate" | "refresh"))).collect()
}

fn pick<'a, T>(seed: &mut Seed, from: &'a [T]) -> &'a T {
    &from[usize::try_from(seed.below(i32::try_from(from.len()).unwrap())).unwrap()]
}

fn values() -> Vec<Value> {
    let deep = (0..80).fold(json!(0), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(1e308),
        json!(9_007_199_254_740_993_i64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("\u{202e}é"),
        json!("x".repeat(5_000)),
        json!("2027-02-30"),
        json!("9999-12-31"),
        json!("property:"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"": {}}),
        deep,
    ]
}

/// Changes something somewhere inside: a value for another, a field more, less, twice or under another name.
fn mutate(value: &mut Value, seed: &mut Seed, values: &[Value]) {
    let goes_deeper = seed.below(3) > 0;
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = pick(seed, &names);
            match seed.below(8) {
                0 => drop(fields.remove(name)),
                1 => drop(fields.insert(format!("{name}x"), pick(seed, values).clone())),
                2 => {
                    let moved = fields.remove(name).unwrap();
                    fields.insert(pick(seed, &names).clone(), moved);
                }
                _ if goes_deeper => mutate(&mut fields[name], seed, values),
                _ => fields[name] = pick(seed, values).clone(),
            }
        }
        Value::Array(items) if !items.is_empty() && goes_deeper => {
            let at = usize::try_from(seed.below(i32::try_from(items.len()).unwrap())).unwrap();
            mutate(&mut items[at], seed, values);
        }
        other => *other = pick(seed, values).clone(),
    }
}

/// Flips, repeats, cuts out or writes over bytes.
fn damage(message: &mut Vec<u8>, seed: &mut Seed) {
    if message.is_empty() {
        return;
    }
    let length = i32::try_from(message.len()).unwrap();
    let from = usize::try_from(seed.below(length)).unwrap();
    let to = message.len().min(from + usize::try_from(seed.below(9)).unwrap());
    match seed.below(4) {
        0 => message[from] ^= 1 << seed.below(8),
        1 => message[from] = u8::try_from(seed.below(256)).unwrap(),
        2 => drop(message.drain(from..to)),
        _ => {
            let again = message[from..to].to_vec();
            message.splice(from..from, again);
        }
    }
}

async fn say_mutations(speaker: &mut Speaker, commands: &[Value], seed: &mut Seed, count: usize) {
    let values = values();
    for number in 0..count {
        let mut command = pick(seed, commands).clone();
        command["id"] = json!(number + 2);
        for _ in 0..seed.below(3) {
            mutate(&mut command, seed, &values);
        }
        let mut message = speaker.encoded(&command);
        if seed.below(3) == 0 {
            (0..=seed.below(3)).for_each(|_| damage(&mut message, seed));
        }
        speaker.say(message).await;
    }
    speaker.hear_all().await;
}

#[tokio::test]
async fn p10_whatever_a_message_is_it_is_answered_once_and_the_connection_goes_on() {
    let count = std::env::var("LATCHKEY_MUTATIONS").map_or(1_500, |count| count.parse().expect("LATCHKEY_MUTATIONS is a number"));
    let hub = Hub::with("--messages-per-second 1000000 --max-active-holds 1000").await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let booking = ada.hold_and_book(&home, nights(5, 2)).await;
    let known = [
        ("01890a5d-ac96-774b-bcce-b302099a8057", home.id.to_string()),
        ("01890a5d-ac96-774b-bcce-b302099a8058", ada.user.to_string()),
        ("01890a5d-ac96-774b-bcce-b302099a8059", booking.id.to_string()),
        ("2027-05-01", nights(0, 1).check_in.to_string()),
        ("2027-05-04", nights(3, 1).check_in.to_string()),
    ];
    let (commands, mut seed) = (commands(&known), Seed::new());
    for subprotocol in [SUBPROTOCOL, SUBPROTOCOL_MSGPACK] {
        let mut speaker = Speaker::begin(&hub, &ada, subprotocol).await;
        Box::pin(say_mutations(&mut speaker, &commands, &mut seed, count)).await;
        let ping = speaker.encoded(&json!({"id": 1, "cmd": "ping"}));
        speaker.say(ping).await;
        speaker.hear_all().await;
    }
}
