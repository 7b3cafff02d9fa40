//! `latchkey admin` and `latchkey keys`: the first admin, and a new token key, from the command line.

use std::path::Path;
use std::process::Stdio;

use latchkey_protocol::rest::Page;
use latchkey_protocol::view::Me;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Guest, Hub, within};

struct Said {
    is_ok: bool,
    text: String,
}

/// Runs the program with `words` on a folder, and `input` as its standard input.
async fn latchkey(words: &str, data: &Path, input: &str) -> Said {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.args(words.split(' ')).arg("--data").arg(data).env_remove("LATCHKEY_ADMIN_PASSWORD");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = within(words, child.wait_with_output()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said { is_ok: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
}

#[tokio::test]
async fn the_first_admin_is_made_on_the_folder_of_a_hub_that_is_not_running() {
    let mut hub = Hub::start().await;
    hub.guest("ada").await;
    let data = hub.data();
    let running = latchkey("admin grant --email ada@example.test", &data, "").await;
    assert!(!running.is_ok && running.text.contains("a hub is running on"), "{}", running.text);
    hub.stop().await;
    for (words, input, expected) in [
        ("admin grant --email nobody@example.test", "", Err("use `latchkey admin create`")),
        ("admin create --email ada@example.test --name Ada", "correct horse battery\n", Err("use `latchkey admin grant`")),
        ("admin create --email root@example.test --name Root", "password\n", Err("one of the most common passwords")),
        ("admin create --email root@example.test --name Root", "", Err("LATCHKEY_ADMIN_PASSWORD")),
        ("admin create --email root@example.test --name Root", "correct horse battery\n", Ok("root@example.test")),
        ("admin grant --email Ada@Example.test", "", Ok("ada@example.test")),
    ] {
        let said = latchkey(words, &data, input).await;
        let (is_ok, text) = expected.map_or_else(|text| (false, text), |text| (true, text));
        assert!(said.is_ok == is_ok && said.text.contains(text), "{words}: {}", said.text);
        assert!(!said.text.contains("panicked"), "{}", said.text);
    }
    let elsewhere = latchkey("admin grant --email ada@example.test", &data.join("elsewhere"), "").await;
    assert!(!elsewhere.is_ok && elsewhere.text.contains("is not the data folder of a hub"), "{}", elsewhere.text);
    hub.restart().await;
    for email in ["root@example.test", "ada@example.test"] {
        let admin = Guest::log_in(hub.address, email).await;
        let users: Page<Me> = admin.get("/users/").send().await.expect_json(200);
        assert!(users.items.len() == 2 && users.items.iter().all(|user| user.is_admin));
    }
}

#[tokio::test]
async fn a_rotated_token_key_logs_nobody_out() {
    let mut hub = Hub::start().await;
    let mut ada = hub.guest("ada").await;
    let said = latchkey("keys rotate", &hub.data(), "").await;
    assert!(said.is_ok && said.text.contains("new token key"), "{}", said.text);
    let files = || std::fs::read_dir(hub.data().join("token-keys")).unwrap().count();
    assert_eq!(files(), 2);
    hub.restart().await;
    ada.reconnect(hub.address).await;
    assert_eq!(ada.get("/users/me/").send().await.status, 200, "the key before still verifies");
    let kid = |token: &str| {
        use base64::Engine as _;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let refreshed = super::refresh(&hub, &ada.tokens.refresh_token).await;
    let tokens: latchkey_protocol::rest::Tokens = refreshed.expect_json(200);
    assert_ne!(kid(&tokens.access_token), kid(&ada.tokens.access_token), "the new one signs");
    // Once the last token of the first key has ended, the key goes; refresh tokens outlive it.
    hub.advance_s(25 * 60);
    hub.restart().await;
    assert_eq!(std::fs::read_dir(hub.data().join("token-keys")).unwrap().count(), 1);
    super::refresh(&hub, &tokens.refresh_token).await.expect_json::<latchkey_protocol::rest::Tokens>(200);
}
