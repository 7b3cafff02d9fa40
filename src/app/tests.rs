//! A whole node, spoken to in plain HTTP: what the edge as a whole answers, and how the node ends. `live`: the same over WebSocket.

mod live;

use clap::Parser as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use std::collections::BTreeMap;

use crate::api::rest::operations;
use crate::clock::SystemClock;
use crate::config::{Cli, Command};

async fn node(options: &str) -> (App, TempDir) {
    node_at(options, Arc::new(SystemClock)).await
}

async fn node_at(options: &str, clock: Arc<dyn Clock>) -> (App, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let fixed = "latchkey serve --listen 127.0.0.1:0 --database mem:// --min-free-bytes 0 --data";
    let words = fixed.split(' ').map(str::to_owned).chain([data.path().display().to_string()]);
    let words = words.chain(options.split_whitespace().map(str::to_owned));
    let Command::Serve(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!("it says serve") };
    let app = App::start(&args, clock, None).await.unwrap();
    let search = || async {
        while !app.services.search.is_ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_mins(1), search()).await.expect("the search index");
    (app, data)
}

/// One request on a connection of its own; the whole answer as text.
async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    answer
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no status: {answer}"))
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_takes_the_methods_it_allows_and_names_them_to_others() {
    let (app, _data) = node("--requests-per-address 100000 --auth-per-minute 100000").await;
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for operation in operations() {
        places.entry(operation.path).or_default().push(operation.method.to_string());
    }
    for (pattern, methods) in places {
        let path: String = pattern
            .split_inclusive('/')
            .map(|part| if part.starts_with('{') { "01890a5d-ac96-774b-bcce-b302099a8057/" } else { part })
            .collect();
        let answer = ask(app.address, "OPTIONS", &path, "").await;
        let allow = header(&answer, "allow").unwrap_or_default().to_owned();
        assert_eq!(status(&answer), 204, "{path}");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = ask(app.address, method, &path, "content-length: 0\r\n").await;
            let is_allowed = methods.iter().any(|known| known == method);
            assert_eq!(allow.split(", ").any(|allowed| allowed == method), is_allowed, "{path}: {allow}");
            if is_allowed {
                assert!(status(&answer) != 405 && !answer.contains("no such route"), "{method} {path}: {answer}");
            } else {
                assert_eq!((status(&answer), header(&answer, "allow")), (405, Some(allow.as_str())), "{method} {path}");
                assert!(answer.contains(r#""code":"method_not_allowed""#), "{answer}");
            }
        }
        assert_eq!(allow.contains("HEAD"), methods.iter().any(|known| known == "GET"), "{path}");
    }
    assert_eq!(status(&ask(app.address, "OPTIONS", "/nowhere/", "").await), 404);
    app.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_get_without_a_body_and_nothing_private_is_stored() {
    let (app, _data) = node("").await;
    let upgrade = "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (path, headers, expected) in [("/healthz", "", 200), ("/properties/", "", 200), ("/users/me/", "", 401), ("/ws", upgrade, 426)] {
        let (get, head) = (ask(app.address, "GET", path, headers).await, ask(app.address, "HEAD", path, headers).await);
        assert_eq!(status(&head), expected, "{path}");
        let (head_fields, body) = head.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{path}");
        assert!(get.split_once("\r\n\r\n").unwrap().1.len() > 2, "{get}");
        assert_eq!(header(head_fields, "content-length"), header(&get, "content-length"), "{path}");
    }
    for path in ["/users/me/", "/bookings/", "/properties/"] {
        assert_eq!(header(&ask(app.address, "GET", path, "").await, "cache-control"), Some("no-store"), "{path}");
    }
    let refused = ask(app.address, "GET", "/ws", "").await;
    assert!(refused.contains("urn:latchkey:problem:upgrade_required"), "{refused}");
    assert_eq!(header(&refused, "upgrade"), Some("websocket"));
    for too_much in ["a: b\r\n".repeat(65), format!("a: {}\r\n", "b".repeat(17 * 1024))] {
        assert_eq!(status(&ask(app.address, "GET", "/healthz", &too_much).await), 431);
    }
    app.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_only_its_share_of_connections() {
    let (app, _data) = node("--max-connections-per-address 2").await;
    let held = [TcpStream::connect(app.address).await.unwrap(), TcpStream::connect(app.address).await.unwrap()];
    // Accepted in order.
    assert_eq!(status(&ask(app.address, "GET", "/healthz", "").await), 503);
    drop(held);
    let freed = async { while status(&ask(app.address, "GET", "/healthz", "").await) != 200 {} };
    timeout(Duration::from_secs(5), freed).await.expect("both places are free again");
    app.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_drains_says_so_before_it_hangs_up() {
    let (app, _data) = node("--drain-notice-seconds 2 --drain-seconds 0").await;
    let address = app.address;
    assert_eq!(status(&ask(address, "GET", "/readyz", "").await), 200);
    let ending = tokio::spawn(app.shut_down());
    let noticed = async { while status(&ask(address, "GET", "/readyz", "").await) != 503 {} };
    timeout(Duration::from_secs(1), noticed).await.expect("503 while it still listens");
    assert_eq!(status(&ask(address, "GET", "/healthz", "").await), 200);
    ending.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_fails_when_a_task_that_it_needs_ends() {
    let (mut returned, _data) = node("").await;
    assert!(timeout(Duration::from_millis(50), returned.failed()).await.is_err(), "all is well");
    returned.keep("a task that returns", async {});
    let (mut panicked, _other) = node("").await;
    panicked.keep("a task that panics", async { panic!("as the test wants") });
    for app in [returned, panicked] {
        timeout(Duration::from_secs(5), app.failed()).await.expect("it fails");
        assert_eq!(status(&ask(app.address, "GET", "/readyz", "").await), 503);
        app.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_told_where_they_stand_and_only_trusted_proxies_who_they_are() {
    let (app, _data) = node("--requests-per-address 2 --auth-per-minute 1 --trusted-proxies 127.0.0.0/8").await;
    let from = |address: &str| format!("x-forwarded-for: {address}\r\n");
    for (remaining, expected) in [("r=1", 200), ("r=0", 200), ("r=0", 429)] {
        let answer = ask(app.address, "GET", "/properties/", &from("198.51.100.7")).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(header(&answer, "ratelimit-policy"), Some("\"address\";q=2;w=60"));
        assert!(header(&answer, "ratelimit").is_some_and(|standing| standing.contains(remaining)), "{answer}");
        assert_eq!(header(&answer, "retry-after").is_some(), expected == 429, "{answer}");
    }
    assert_eq!(status(&ask(app.address, "GET", "/properties/", &from("198.51.100.8")).await), 200, "another's allowance");
    // A made-up token counts against the address that made it up.
    assert_eq!(
        status(&ask(app.address, "GET", "/properties/", &format!("{}authorization: Bearer x\r\n", from("198.51.100.7"))).await),
        429
    );
    // Authentication has an allowance of its own; probes have none.
    assert_eq!(status(&ask(app.address, "POST", "/auth/login/", &format!("{}content-length: 0\r\n", from("198.51.100.7"))).await), 400);
    assert_eq!(status(&ask(app.address, "POST", "/auth/login/", &format!("{}content-length: 0\r\n", from("198.51.100.7"))).await), 429);
    assert_eq!(header(&ask(app.address, "GET", "/healthz", &from("198.51.100.7")).await, "ratelimit"), None);
    app.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_allowed_origins_may_read_answers_and_long_ones_are_compressed() {
    let (app, _data) = node("--cors-origins https://app.example.test").await;
    let preflight = "access-control-request-method: PATCH\r\naccess-control-request-headers: if-match\r\n";
    for (origin, is_allowed) in [("https://app.example.test", true), ("https://evil.example.test", false)] {
        let origin = format!("origin: {origin}\r\n");
        let asked = ask(app.address, "OPTIONS", "/users/me/", &format!("{origin}{preflight}")).await;
        assert_eq!(header(&asked, "access-control-allow-origin").is_some(), is_allowed, "{asked}");
        let read = ask(app.address, "GET", "/properties/", &origin).await;
        assert_eq!(header(&read, "access-control-allow-origin").is_some(), is_allowed, "{read}");
    }
    let plain = ask(app.address, "OPTIONS", "/users/me/", "").await;
    assert_eq!((status(&plain), header(&plain, "access-control-allow-origin")), (204, None));
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let request = "GET /openapi.json HTTP/1.1\r\nhost: hub\r\nconnection: close\r\naccept-encoding: br, gzip\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let head = String::from_utf8_lossy(&answer[..answer.len().min(1_000)]).into_owned();
    assert_eq!(header(&head, "content-encoding"), Some("br"), "{head}");
    let (long, short) =
        (ask(app.address, "GET", "/openapi.json", "").await, ask(app.address, "GET", "/healthz", "accept-encoding: br\r\n").await);
    assert!(answer.len() * 4 < long.len() && header(&long, "content-encoding").is_none());
    assert_eq!(header(&short, "content-encoding"), None, "not worth it");
    for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("x-frame-options", "DENY")] {
        assert_eq!(header(&short, name), Some(value));
    }
    app.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_served_with_its_reader_and_not_sent_again_to_those_who_have_it() {
    let (app, _data) = node("").await;
    let answer = ask(app.address, "GET", "/openapi.json", "").await;
    let tag = header(&answer, "etag").expect("an ETag").to_owned();
    let again = ask(app.address, "GET", "/openapi.json", &format!("if-none-match: {tag}\r\n")).await;
    assert_eq!((status(&again), again.split("\r\n\r\n").nth(1)), (304, Some("")));
    assert_eq!(status(&ask(app.address, "GET", "/openapi.json", "if-none-match: \"other\"\r\n").await), 200);
    let moved = ask(app.address, "GET", "/docs", "").await;
    assert_eq!((status(&moved), header(&moved, "location")), (308, Some("/docs/")));
    for (path, needle) in
        [("/docs/", "swagger-ui.css"), ("/docs/swagger-initializer.js", "/openapi.json"), ("/problems/", "dates_unavailable")]
    {
        let page = ask(app.address, "GET", path, "").await;
        assert!(status(&page) == 200 && page.contains(needle), "{path}: {page}");
    }
    assert_eq!(status(&ask(app.address, "GET", "/docs/passwd", "").await), 404);
    app.shut_down().await;
}
