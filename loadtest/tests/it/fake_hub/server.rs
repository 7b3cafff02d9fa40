//! The fake hub's edges: REST by hyper, sockets by tungstenite, both on one port.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Handshake, Response as Accepted};

use super::world::{Answer, World};

type Shared = Arc<Mutex<World>>;

/// Serves until aborted; then every connection dies with it.
pub(super) async fn accept(listener: TcpListener, world: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => { connections.spawn(serve(stream, Arc::clone(&world))); }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, world: Shared) {
    stream.set_nodelay(true).unwrap();
    let mut start = [0; 8];
    if matches!(stream.peek(&mut start).await, Ok(length) if start[..length].starts_with(b"GET /ws")) {
        return serve_socket(stream, world).await;
    }
    let service = service_fn(move |request| answer(request, Arc::clone(&world)));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, world: Shared) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let token = header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    let query = head.uri.query().unwrap_or_default();
    let answer = {
        let mut world = world.lock().unwrap();
        let answer = match head.method {
            Method::POST => world.post(head.uri.path(), token.as_deref(), &body),
            _ => world.get(head.uri.path(), query, token.as_deref()),
        };
        world.deliver();
        answer
    };
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            let mut problem = json!({"type": "urn:latchkey:problem:x", "title": "", "status": 400, "detail": ""});
            problem.as_object_mut().unwrap().extend(error.as_object().unwrap().clone());
            (StatusCode::BAD_REQUEST, problem)
        }
    };
    Ok(Response::builder().status(status).body(Full::new(body.to_string().into())).unwrap())
}

#[allow(clippy::result_large_err, reason = "tungstenite's callback is of this type")]
async fn serve_socket(stream: TcpStream, world: Shared) {
    let choose = |request: &Handshake, mut response: Accepted| {
        let offered = request.headers()["sec-websocket-protocol"].clone();
        response.headers_mut().insert("sec-websocket-protocol", offered);
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, choose).await else { return };
    let (sender, mut pushes) = mpsc::unbounded_channel::<String>();
    let hello = json!({"hello": {"epoch": "e1", "heartbeat_ms": 20_000, "now": 0}}).to_string();
    if socket.send(Message::text(hello)).await.is_err() {
        return;
    }
    let mut user = None;
    loop {
        // Everything goes through one queue, so that replies and pushes keep the order in which they were decided.
        tokio::select! {
            Some(text) = pushes.recv() => {
                if socket.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    let mut world = world.lock().unwrap();
                    let id = &message["id"];
                    let reply = match command(&mut world, &message, &mut user, &sender) {
                        Ok(body) => json!({"id": id, "ok": body}),
                        Err(error) => json!({"id": id, "error": error}),
                    };
                    let _ = sender.send(reply.to_string());
                    world.deliver();
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    }
}

fn command(world: &mut World, message: &Value, user: &mut Option<String>, sender: &mpsc::UnboundedSender<String>) -> Answer {
    let data = &message["data"];
    match message["cmd"].as_str().unwrap() {
        "authenticate" => {
            let found = world.user_of(data["token"].as_str())?;
            *user = Some(found.clone());
            Ok(json!({"user": found, "session": found, "expires_at": i64::MAX}))
        }
        "subscribe" => world.subscribe(data["topic"].as_str().unwrap(), sender),
        "resume" => world.resume(data, sender),
        name => {
            let key = message["key"].as_str().expect("changes carry a key");
            let user = user.clone().expect("guests authenticate first");
            world.once(name, key, |world| match name {
                "hold" => world.hold(&user, data),
                "release_hold" => world.release(data),
                "book" => world.book(&user, data),
                "pay" => world.pay(data),
                other => panic!("no command {other}"),
            })
        }
    }
}
