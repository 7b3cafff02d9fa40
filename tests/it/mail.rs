//! Letters as others receive them, and mails that are owed: by files, and by a mail server that takes them, refuses them or hangs up.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use latchkey::domain::mail::Letter;
use latchkey::provider::mail::{Envelope, FileMailer, MailError, Mailer as _, SmtpMailer, parse_sender};
use lettre::message::Mailbox;

use crate::support::Hub;
use crate::support::mail::{MailServer, Manner};

fn mailer_of(server: &MailServer) -> SmtpMailer {
    SmtpMailer::new(&server.url, sender()).unwrap()
}

fn sender() -> Mailbox {
    parse_sender("Latchkey <no-reply@hub.example>").unwrap()
}

fn envelope(to: &str, subject: &str, text: &str) -> Envelope {
    let letter = Letter { to: to.to_owned(), subject: subject.to_owned(), text: text.to_owned() };
    Envelope { letter, message: "0199-one".to_owned(), at: 1_790_000_000_000 }
}

fn usual() -> Envelope {
    envelope(
        "ada@example.test",
        "Hello",
        "Dear Ada,\n.\n\nhttp://hub.example/verify?token=abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\n",
    )
}

#[tokio::test]
async fn a_letter_by_smtp_arrives_as_it_was_written_and_is_named_alike_when_it_is_sent_again() {
    let server = MailServer::start(Manner::Takes).await;
    let mailer = mailer_of(&server);
    mailer.send(usual()).await.unwrap();
    mailer.send(usual()).await.unwrap();
    let taken = server.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0], taken[1], "whoever has both can tell that they are one");
    for expected in [
        "From: Latchkey <no-reply@hub.example>\n",
        "To: ada@example.test\n",
        "Subject: Hello\n",
        "Message-ID: <0199-one@hub.example>\n",
        "Date: Mon, 21 Sep 2026 14:13:20 +0000\n",
        "\n\nDear Ada,\n.\n\nhttp://hub.example/verify?token=abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\n",
    ] {
        assert!(taken[0].contains(expected), "{expected:?} is not in {}", taken[0]);
    }
}

#[tokio::test]
async fn only_a_refusal_of_the_recipient_or_the_letter_is_for_good_and_no_error_repeats_the_address() {
    for (manner, is_permanent, reason) in [
        (Manner::Greets("554 no mail service for you"), false, "smtp 554"),
        (Manner::RefusesPassword("535 5.7.8 who is ada"), false, "smtp 535"),
        (Manner::RefusesSender("530 5.7.0 authentication required"), false, "smtp 530"),
        (Manner::RefusesSender("503 5.5.1 say hello first"), false, "smtp 503"),
        (Manner::Refuses("556 5.1.10 example.test takes no mail"), true, "smtp 556"),
        (Manner::Refuses("550 5.1.1 no ada@example.test here"), true, "smtp 550"),
        (Manner::Refuses("450 4.2.0 ada@example.test is greylisted"), false, "smtp 450"),
        (Manner::RefusesContent("554 spam for ada@example.test"), true, "smtp 554"),
        (Manner::RefusesContent("452 no room"), false, "smtp 452"),
        (Manner::HangsUpOnConnect, false, "smtp: "),
        (Manner::HangsUpInData, false, "smtp: "),
    ] {
        let server = MailServer::start(manner).await;
        let url = server.url.replace("smtp://", "smtp://user:secret@");
        let mailer = if let Manner::RefusesPassword(_) = manner { SmtpMailer::new(&url, sender()).unwrap() } else { mailer_of(&server) };
        let error = mailer.send(usual()).await.unwrap_err();
        assert_eq!(matches!(error, MailError::Permanent(_)), is_permanent, "{manner:?}: {error}");
        let (MailError::Permanent(said) | MailError::Temporary(said)) = &error;
        assert!(said.starts_with(reason) && !said.contains("ada"), "{manner:?}: {said}");
        assert!(server.taken().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_says_nothing_is_for_later() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mailer = SmtpMailer::new(&format!("smtp://{gone}"), sender()).unwrap();
    assert!(matches!(mailer.send(usual()).await, Err(MailError::Temporary(_))));
    let silent = MailServer::start(Manner::SaysNothing).await;
    let mailer = SmtpMailer::with_timeout(&silent.url, sender(), Duration::from_millis(200)).unwrap();
    assert!(matches!(mailer.send(usual()).await, Err(MailError::Temporary(_))));
}

#[tokio::test]
async fn nobody_can_write_a_header_through_an_address_a_subject_or_a_name() {
    let server = MailServer::start(Manner::Takes).await;
    let mailer = mailer_of(&server);
    let injected = "\r\nBcc: eve@example.test";
    let mut named = usual();
    named.message += injected;
    for attack in [
        envelope(&format!("ada@example.test{injected}"), "Hello", ""),
        envelope("ada@example.test", &format!("Hello{injected}"), ""),
        named,
    ] {
        assert!(matches!(mailer.send(attack).await, Err(MailError::Permanent(_))));
    }
    for not_one in ["", "ada", "ada@", "ada@example.test, eve@example.test", "<ada@example.test>"] {
        assert!(matches!(mailer.send(envelope(not_one, "Hello", "")).await, Err(MailError::Permanent(_))), "{not_one}");
    }
    assert!(server.taken().is_empty());
    // In the text it is only text, whatever its characters.
    mailer.send(envelope("ada@example.test", "Grüße", &format!("Grüße{injected}"))).await.unwrap();
    let taken = server.taken()[0].clone();
    let head = taken.split("\n\n").next().unwrap();
    assert!(!head.contains("Bcc") && head.is_ascii(), "{taken}");
}

#[tokio::test]
async fn a_letter_as_a_file_is_for_its_owner_only_and_whole_and_sorts_by_time() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("mail");
    let mailer = FileMailer::new(folder.clone(), sender()).unwrap();
    let later = Envelope { message: "../../a\0b/c".to_owned(), ..usual() };
    assert!(matches!(mailer.send(later.clone()).await, Err(MailError::Permanent(_))), "a control character");
    let later = Envelope { message: "../../abc".to_owned(), at: later.at + 1, ..later };
    mailer.send(later).await.unwrap();
    mailer.send(usual()).await.unwrap();
    mailer.send(usual()).await.unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["1790000000000-0199-one.eml", "1790000000001-______abc.eml"]);
    let path = folder.join(&names[0]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("\r\nhttp://hub.example/verify?token=abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\r\n"),
        "{text}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(mailer.send(usual()).await, Err(MailError::Temporary(_))), "the folder may come back");
}

#[tokio::test]
async fn letters_as_files_are_removed_by_age_and_nothing_else_is() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("mail");
    let mailer = FileMailer::new(folder.clone(), sender()).unwrap();
    let at = usual().at;
    for (number, at) in [at, at + 1, at + 2].into_iter().enumerate() {
        mailer.send(Envelope { at, message: number.to_string(), ..usual() }).await.unwrap();
    }
    // What a crash left half written, and what is not ours.
    for name in [format!("{at}-half.eml.part"), "1-notes.txt".to_owned(), "notes.eml".to_owned()] {
        std::fs::write(folder.join(name), b"").unwrap();
    }
    assert_eq!(mailer.forget_before(at).await, Ok(0));
    assert_eq!(mailer.forget_before(at + 2).await, Ok(3));
    let mut left: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["1-notes.txt".to_owned(), format!("{}-2.eml", at + 2), "notes.eml".to_owned()]);
}

#[tokio::test]
async fn a_hub_forgets_the_files_of_letters_after_a_week() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    hub.letter(&ada.email, "Verify your e-mail address").await;
    let sweep = || async { hub.services().mails.sweep().await.unwrap() };
    assert_eq!(sweep().await, 0);
    hub.advance_s(7 * 86_400 + 60);
    assert_eq!(sweep().await, 1);
    assert_eq!(std::fs::read_dir(hub.data().join("mail")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_without_repeating_the_password() {
    let error = SmtpMailer::new("https://user:hunter2@host", sender()).err().unwrap();
    assert!(error.contains("smtps://") && !error.contains("hunter2"), "{error}");
    assert!(parse_sender("nobody").is_err());
    for url in ["smtps://user:secret@mail.example:465", "smtp://user:secret@mail.example:587?tls=required", "smtp://127.0.0.1:25"] {
        assert!(SmtpMailer::new(url, sender()).is_ok(), "{url}");
    }
}
