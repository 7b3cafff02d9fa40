//! A small mail server that speaks RFC 5321, and does what a test wants of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    /// Greets everybody with this answer.
    Greets(&'static str),
    /// Wants a password, and has this answer to each.
    RefusesPassword(&'static str),
    /// With this answer to MAIL.
    RefusesSender(&'static str),
    /// With this answer to RCPT.
    Refuses(&'static str),
    /// With this answer to the end of DATA.
    RefusesContent(&'static str),
    HangsUpOnConnect,
    HangsUpInData,
    SaysNothing,
}

pub(crate) struct MailServer {
    /// For `--smtp-url`.
    pub(crate) url: String,
    manner: Arc<Mutex<Manner>>,
    taken: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl MailServer {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (taken, manner): (Arc<Mutex<Vec<String>>>, _) = (Arc::default(), Arc::new(Mutex::new(manner)));
        let (all, now) = (Arc::clone(&taken), Arc::clone(&manner));
        let connections: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&now), Arc::clone(&all)));
            }
        });
        Self { url, manner, taken, connections }
    }

    /// From now on, also on connections that a client has kept.
    pub(crate) fn behaves(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every mail it took, as it came.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

/// One connection; ends when either side has had enough.
async fn serve(stream: TcpStream, now: Arc<Mutex<Manner>>, taken: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let manner = *now.lock().unwrap();
    if manner == Manner::HangsUpOnConnect {
        return Ok(());
    }
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    if manner == Manner::SaysNothing {
        while lines.next_line().await?.is_some() {}
        return Ok(());
    }
    let greeting = if let Manner::Greets(answer) = manner { answer } else { "220 test" };
    writer.write_all(format!("{greeting}\r\n").as_bytes()).await?;
    while let Some(line) = lines.next_line().await? {
        let manner = *now.lock().unwrap();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match (verb.as_str(), manner) {
            ("EHLO", Manner::RefusesPassword(_)) => "250-test\r\n250 AUTH PLAIN LOGIN",
            ("EHLO", _) => "250 test",
            ("AUTH", Manner::RefusesPassword(answer)) | ("MAIL", Manner::RefusesSender(answer)) => answer,
            ("RCPT", Manner::Refuses(answer)) => answer,
            ("DATA", _) => {
                writer.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    mail += line.strip_prefix('.').unwrap_or(&line);
                    mail += "\n";
                    if manner == Manner::HangsUpInData {
                        return Ok(());
                    }
                }
                if let Manner::RefusesContent(answer) = manner {
                    answer
                } else {
                    taken.lock().unwrap().push(mail);
                    "250 taken"
                }
            }
            ("QUIT", _) => "221 bye",
            _ => "250 ok",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
