//! A compressed session (RFC 4978), by a client of its own: no dialogue shows what is compressed.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use testkit::dialogue::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::stage::Stage;

/// Reads until a line that begins so, and gives back all that came.
async fn hear(stream: &mut DuplexStream, inflater: &mut Option<Decompress>, begin: &str) -> String {
    let mut heard = String::new();
    while !heard.lines().any(|line| line.starts_with(begin)) || !heard.ends_with('\n') {
        let mut octets = vec![0; 1024];
        let count = stream.read(&mut octets).await.unwrap();
        assert_ne!(count, 0, "closed after {heard}");
        octets.truncate(count);
        match inflater {
            None => heard.push_str(&String::from_utf8(octets).unwrap()),
            Some(inflater) => {
                let mut plain = Vec::with_capacity(1 << 20);
                inflater.decompress_vec(&octets, &mut plain, FlushDecompress::None).unwrap();
                heard.push_str(&String::from_utf8(plain).unwrap());
            }
        }
    }
    heard
}

#[test]
fn a_session_goes_on_compressed() {
    let mut stage = Stage::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        stage.given("messages 20 INBOX").await.unwrap();
        let mut stream = stage.connect(1).await.unwrap();
        hear(&mut stream, &mut None, "* OK").await;
        stream.write_all(b"a LOGIN anna@example.org secret\r\n").await.unwrap();
        hear(&mut stream, &mut None, "a OK").await;
        stream.write_all(b"b COMPRESS DEFLATE\r\n").await.unwrap();
        hear(&mut stream, &mut None, "b OK").await;
        let (mut deflater, mut inflater) =
            (Compress::new(Compression::default(), false), Some(Decompress::new(false)));
        for (command, end) in [
            ("c COMPRESS DEFLATE\r\n", "c NO [COMPRESSIONACTIVE]"),
            ("d SELECT INBOX\r\n", "d OK"),
            ("e FETCH 1:* (ENVELOPE BODY[])\r\n", "e OK"),
            ("f LOGOUT\r\n", "f OK"),
        ] {
            let mut packed = Vec::with_capacity(1024);
            deflater.compress_vec(command.as_bytes(), &mut packed, FlushCompress::Sync).unwrap();
            stream.write_all(&packed).await.unwrap();
            let heard = hear(&mut stream, &mut inflater, end).await;
            if command.starts_with('e') {
                assert!(heard.contains("* 20 FETCH") && heard.contains("text 19\r\n"), "{heard}");
            }
        }
    });
}
