//! The runner, against a server that echoes.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{Dialogue, World, play, player};

/// A server that greets, repeats lines and closes after `bye`.
struct Echo;

impl World for Echo {
    type Stream = DuplexStream;

    async fn connect(&mut self, client: usize) -> io::Result<DuplexStream> {
        let (stream, mut server) = duplex(64);
        tokio::spawn(async move {
            server.write_all(format!("hello {client}\r\n").as_bytes()).await.unwrap();
            let mut line = Vec::new();
            while let Ok(octet) = server.read_u8().await {
                line.push(octet);
                if octet == b'\n' {
                    server.write_all(&line).await.unwrap();
                    if line.starts_with(b"bye") {
                        return;
                    }
                    line.clear();
                }
            }
        });
        Ok(stream)
    }
}

#[tokio::test]
async fn a_dialogue_that_comes_true_passes() {
    let dialogue = r"
        S: hello 1
        C: one
        2S: hello ...
        S: one
        2C> tw
        2S: (silent)
        2C: o
        2S: two
        C> \(x\r\n*2)bye\r\n
        S*: x
        S: bye
        S: (closed)
        2close:
        2S: (closed)
    ";
    play(dialogue, &mut Echo).await.unwrap();
}

#[tokio::test]
async fn each_way_of_not_coming_true_is_told() {
    for (dialogue, told) in [
        ("S: hello 2", "line 1: expected `hello 2`, but the server said `hello 1`"),
        ("S: hello 1\nC: x\nC: y\nS: x", "line 0: after the last line the server said to client 1: y"),
        ("S: hello 1\nC: bye\nS: bye\nS: more", "line 4: expected `more`, but the server said `(closed)`"),
        ("S: hello 1\nC: x\nS: (silent)", "line 3: expected `(silent)`, but the server said `x`"),
        ("given: x", "line 1: this world knows no `given: x`"),
        ("disk: x", "line 1: this world knows no `disk: x`"),
    ] {
        let error = play(dialogue, &mut Echo).await.unwrap_err();
        assert!(error.to_string().starts_with(told), "{error}");
    }
}

#[tokio::test]
async fn an_update_keeps_what_matches_and_rewrites_the_rest() {
    let text = "# a\nS: hello ...\nC: Queued as 7\n  S: x\nC: y\nC: y\nS*: y\nC: bye\nS: bye\n";
    let dialogue = Dialogue::parse(text).unwrap();
    let said = player::play(&dialogue, &mut Echo, true).await.unwrap();
    assert_eq!(
        dialogue.updated(&said),
        "# a\nS: hello ...\nC: Queued as 7\n  S: Queued as ...\nC: y\nC: y\nS*: y\nC: bye\nS: bye\nS: (closed)\n"
    );
}
