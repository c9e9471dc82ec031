//! The driver, with a protocol of lines: `ask` is a question, `content` begins a stream up to `.`, `listen` hears news up to the next
//! line, `compress` compresses, `quit` closes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use mail::TlsSession;
use net::{Channel, Pace, Policy, Protocol, Shutdown, ShutdownSwitch, Step, drive};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

const LINE: Pace = Pace::Within(Duration::from_mins(5));
const STREAM: Pace = Pace::Stream { idle: Duration::from_mins(1), octets_per_second_min: 10 };
const HELD_MAX: usize = 4096;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "what is independent of each other")]
struct Lines {
    input: Vec<u8>,
    output: Vec<u8>,
    content: bool,
    over: bool,
    closing: bool,
    listens: bool,
    compressing: bool,
}

impl Protocol for Lines {
    type Question = String;
    type Answer = &'static str;

    fn receive(&mut self, octets: &[u8]) {
        assert!(octets.len() <= self.wants(), "more than was wanted");
        self.input.extend_from_slice(octets);
    }
    fn wants(&self) -> usize {
        HELD_MAX - self.input.len()
    }
    fn end_of_input(&mut self) {
        self.over = true;
    }
    fn timed_out(&mut self) {
        self.output.extend_from_slice(b"late\n");
        self.closing = true;
    }
    fn shut_down(&mut self) {
        self.output.extend_from_slice(b"stopping\n");
        self.closing = true;
    }
    fn secured(&mut self, TlsSession { facts, .. }: TlsSession) {
        self.output.extend_from_slice(format!("secured by {}\n", facts.version).as_bytes());
    }
    fn step(&mut self) -> Step<String> {
        while !self.closing {
            let Some(end) = self.input.iter().position(|b| *b == b'\n') else {
                self.closing = self.over;
                break;
            };
            let line = String::from_utf8(self.input.drain(..=end).collect()).unwrap();
            self.listens = line == "listen\n";
            self.compressing = line == "compress\n";
            match line.trim_end() {
                "." => self.content = false,
                _ if self.content => continue,
                "quit" => self.closing = true,
                "content" => self.content = true,
                question if question.starts_with("ask") => return Step::Ask(question.to_owned()),
                _ => {}
            }
            self.output.extend_from_slice(line.as_bytes());
            if self.compressing {
                return Step::Compress;
            }
        }
        match (self.closing, self.content) {
            (true, _) => Step::Close,
            (_, true) => {
                self.input.clear();
                Step::Read(STREAM)
            }
            _ => Step::Read(LINE),
        }
    }
    fn answer(&mut self, answer: &'static str) {
        self.output.extend_from_slice(answer.as_bytes());
    }
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }
    fn listens(&self) -> bool {
        self.listens
    }
    fn tell(&mut self, news: &'static str) {
        assert!(self.listens, "nobody listens");
        self.output.extend_from_slice(news.as_bytes());
    }
    fn compressed(&mut self) {
        assert!(self.compressing && self.output.is_empty());
    }
}

/// Answers `ask` at once, and `ask slow` when told; says when its future is dropped.
#[derive(Default)]
struct Oracle {
    release: Option<oneshot::Receiver<()>>,
    dropped: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
    abandons: bool,
    needs_peer: bool,
    news: Option<mpsc::Receiver<&'static str>>,
}

struct CountsDrops(Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Policy<String, &'static str> for Oracle {
    async fn answer(&mut self, question: String) -> &'static str {
        if question == "ask slow" {
            let _guard = CountsDrops(Arc::clone(&self.dropped));
            if let Some(release) = &mut self.release {
                release.await.unwrap();
            }
            self.finished.fetch_add(1, Ordering::SeqCst);
        }
        "answer\n"
    }
    fn may_abandon(&self, _: &String) -> bool {
        self.abandons
    }
    fn needs_peer(&self, _: &String) -> bool {
        self.needs_peer
    }
    async fn news(&mut self) -> &'static str {
        match &mut self.news {
            Some(news) => news.recv().await.unwrap(),
            None => std::future::pending().await,
        }
    }
}

/// Counts writes, and can be told to fail reads as a reset connection does.
struct Watched {
    inner: DuplexStream,
    writes: Arc<AtomicUsize>,
    reset: Option<oneshot::Receiver<()>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(reset) = &mut self.reset
            && Pin::new(reset).poll(cx).is_ready()
        {
            self.reset = None;
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.inner).poll_write(cx, octets)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

type Session = tokio::task::JoinHandle<io::Result<()>>;

fn start(
    capacity: usize,
    mut oracle: Oracle,
    mut shutdown: Shutdown,
) -> (DuplexStream, Session, Arc<AtomicUsize>) {
    let (peer, inner) = duplex(capacity);
    let writes = Arc::new(AtomicUsize::new(0));
    let stream = Watched { inner, writes: Arc::clone(&writes), reset: None };
    let session = tokio::spawn(async move {
        drive(Lines::default(), Channel::clear(stream), &mut oracle, &mut shutdown).await
    });
    (peer, session, writes)
}

async fn rest_of(mut peer: DuplexStream) -> String {
    let mut text = String::new();
    peer.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn replies_to_pipelined_input_leave_in_one_write() {
    let (mut peer, session, writes) = start(8192, Oracle::default(), Shutdown::never());
    peer.write_all(b"one\ntwo\nask\nthree\nquit\n").await.unwrap();
    assert_eq!(rest_of(peer).await, "one\ntwo\nanswer\nthree\nquit\n");
    session.await.unwrap().unwrap();
    assert_eq!(writes.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_before_it_reads_does_not_block_both() {
    let (mut peer, session, _) = start(64, Oracle::default(), Shutdown::never());
    // Each side's pipe holds 64 octets; what the peer sends fits into both pipes and what the session holds.
    let line = [b'x'; 31].into_iter().chain([b'\n']).collect::<Vec<_>>();
    timeout(Duration::from_secs(1), async {
        for _ in 0..64 {
            peer.write_all(&line).await.unwrap();
        }
        peer.write_all(b"quit\n").await.unwrap();
    })
    .await
    .expect("the session stopped reading when its writes were blocked");
    assert_eq!(rest_of(peer).await.len(), 64 * 32 + 5);
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_line_that_trickles_in_does_not_buy_time() {
    let begun = Instant::now();
    let (mut peer, session, _) = start(64, Oracle::default(), Shutdown::never());
    let trickle = async {
        while peer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(50)).await;
        }
    };
    tokio::select! { () = trickle => {}, ended = session => ended.unwrap().unwrap() }
    assert_eq!(begun.elapsed().as_secs(), 300 + 2, "the deadline of a line, and then the time to linger");
    assert!(rest_of(peer).await.ends_with("late\n"));
}

#[tokio::test(start_paused = true)]
async fn each_line_has_its_own_deadline() {
    let (mut peer, session, _) = start(64, Oracle::default(), Shutdown::never());
    for _ in 0..5 {
        sleep(Duration::from_secs(299)).await;
        peer.write_all(b"x\n").await.unwrap();
        let mut echo = [0; 2];
        peer.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"x\n");
    }
    let begun = Instant::now();
    assert_eq!(rest_of(peer).await, "late\n");
    assert_eq!(begun.elapsed().as_secs(), 300);
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn content_that_crawls_is_cut_off() {
    let begun = Instant::now();
    let (mut peer, session, _) = start(4096, Oracle::default(), Shutdown::never());
    peer.write_all(b"content\n").await.unwrap();
    // Never silent for long, but a tenth of the pace asked for.
    let crawl = async {
        while peer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! { () = crawl => {}, ended = session => ended.unwrap().unwrap() }
    assert!((60..75).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(rest_of(peer).await, "content\nlate\n");
}

#[tokio::test(start_paused = true)]
async fn content_at_pace_goes_on_for_hours() {
    let (mut peer, session, _) = start(4096, Oracle::default(), Shutdown::never());
    peer.write_all(b"content\n").await.unwrap();
    for _ in 0..500 {
        sleep(Duration::from_secs(30)).await;
        peer.write_all(&[b'x'; 400]).await.unwrap();
    }
    peer.write_all(b"\n.\nquit\n").await.unwrap();
    assert_eq!(rest_of(peer).await, "content\n.\nquit\n");
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_replies_is_left() {
    let begun = Instant::now();
    let (mut peer, session, _) = start(16, Oracle::default(), Shutdown::never());
    peer.write_all(b"xxxxxxxxxxxxxxx\nxxxxxxxxxxxxxxx\n").await.unwrap();
    let error = session.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closed_its_side_still_gets_its_replies() {
    let (mut peer, session, _) = start(4096, Oracle::default(), Shutdown::never());
    peer.write_all(b"one\nask\n").await.unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!(rest_of(peer).await, "one\nanswer\n");
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_word_to_stop_wakes_an_idle_session() {
    let (switch, shutdown) = ShutdownSwitch::new();
    let (mut peer, session, _) = start(64, Oracle::default(), shutdown);
    peer.write_all(b"x\n").await.unwrap();
    let mut echo = [0; 2];
    peer.read_exact(&mut echo).await.unwrap();
    switch.press();
    assert_eq!(rest_of(peer).await, "stopping\n");
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_awaited_though_the_peer_is_gone() {
    let (release, released) = oneshot::channel();
    let oracle = Oracle { release: Some(released), ..Oracle::default() };
    let (dropped, finished) = (Arc::clone(&oracle.dropped), Arc::clone(&oracle.finished));
    let (mut peer, session, _) = start(64, oracle, Shutdown::never());
    peer.write_all(b"ask slow\n").await.unwrap();
    drop(peer);
    tokio::task::yield_now().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    release.send(()).unwrap();
    let _ = session.await.unwrap();
    assert_eq!((dropped.load(Ordering::SeqCst), finished.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_changes_nothing_is_given_up_on_a_reset() {
    let (_release, released) = oneshot::channel();
    let (reset, is_reset) = oneshot::channel();
    let mut oracle = Oracle { release: Some(released), abandons: true, ..Oracle::default() };
    let (dropped, finished) = (Arc::clone(&oracle.dropped), Arc::clone(&oracle.finished));
    let (mut peer, inner) = duplex(64);
    peer.write_all(b"ask slow\n").await.unwrap();
    let session = tokio::spawn(async move {
        let stream = Watched { inner, writes: Arc::default(), reset: Some(is_reset) };
        drive(Lines::default(), Channel::clear(stream), &mut oracle, &mut Shutdown::never()).await
    });
    tokio::task::yield_now().await;
    reset.send(()).unwrap();
    assert_eq!(session.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!((dropped.load(Ordering::SeqCst), finished.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_is_not_begun_once_the_connection_is_broken() {
    let (release, released) = oneshot::channel();
    let (reset, is_reset) = oneshot::channel();
    let mut oracle = Oracle { release: Some(released), needs_peer: true, ..Oracle::default() };
    let finished = Arc::clone(&oracle.finished);
    let (mut peer, inner) = duplex(64);
    peer.write_all(b"ask slow\nask slow\n").await.unwrap();
    let session = tokio::spawn(async move {
        let stream = Watched { inner, writes: Arc::default(), reset: Some(is_reset) };
        drive(Lines::default(), Channel::clear(stream), &mut oracle, &mut Shutdown::never()).await
    });
    tokio::task::yield_now().await;
    reset.send(()).unwrap();
    release.send(()).unwrap();
    assert_eq!(session.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(
        finished.load(Ordering::SeqCst),
        1,
        "what was begun is seen to its end, and nothing else begun"
    );
}

#[test]
fn an_idle_session_holds_no_buffer() {
    let (_, stream) = duplex(1);
    let mut oracle = Oracle::default();
    let mut shutdown = Shutdown::never();
    let session = drive(Lines::default(), Channel::clear(stream), &mut oracle, &mut shutdown);
    let size = size_of_val(&session);
    assert!(size < 1024, "the future of a session has {size} octets");
}

async fn line_of(peer: &mut DuplexStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(peer.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test(start_paused = true)]
async fn news_is_told_only_to_who_listens() {
    let (tell, news) = mpsc::channel(9);
    let oracle = Oracle { news: Some(news), ..Oracle::default() };
    let (mut peer, session, _) = start(64, oracle, Shutdown::never());
    tell.send("first\n").await.unwrap();
    peer.write_all(b"one\n").await.unwrap();
    assert_eq!(line_of(&mut peer).await, "one\n");
    sleep(Duration::from_secs(1)).await;
    peer.write_all(b"listen\n").await.unwrap();
    assert_eq!(line_of(&mut peer).await, "listen\n");
    assert_eq!(line_of(&mut peer).await, "first\n");
    tell.send("second\n").await.unwrap();
    assert_eq!(line_of(&mut peer).await, "second\n");
    peer.write_all(b"two\n").await.unwrap();
    assert_eq!(line_of(&mut peer).await, "two\n");
    tell.send("third\n").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    peer.write_all(b"quit\n").await.unwrap();
    assert_eq!(rest_of(peer).await, "quit\n");
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn news_buys_no_time_for_who_is_silent() {
    let (tell, news) = mpsc::channel(9);
    let oracle = Oracle { news: Some(news), ..Oracle::default() };
    let (mut peer, session, _) = start(64, oracle, Shutdown::never());
    peer.write_all(b"listen\n").await.unwrap();
    assert_eq!(line_of(&mut peer).await, "listen\n");
    let begun = Instant::now();
    sleep(Duration::from_secs(290)).await;
    tell.send("news\n").await.unwrap();
    assert_eq!(rest_of(peer).await, "news\nlate\n");
    assert_eq!(begun.elapsed().as_secs(), 300);
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn news_does_not_pile_up_before_who_reads_nothing() {
    let (tell, news) = mpsc::channel(1);
    let oracle = Oracle { news: Some(news), ..Oracle::default() };
    let (mut peer, session, _) = start(64, oracle, Shutdown::never());
    peer.write_all(b"listen\n").await.unwrap();
    let mut told = 0;
    while timeout(Duration::from_secs(1), tell.send("0123456789012345678901234567890\n")).await.is_ok() {
        told += 1;
    }
    assert!((500..520).contains(&told), "{told} of 32 octets were taken for a bound of 16 KiB");
    let error = session.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "and the deadline of a write holds");
}

/// What the peer sends and receives once both sides compress.
struct Zip {
    peer: DuplexStream,
    deflater: Compress,
    inflater: Decompress,
    read: Vec<u8>,
}

impl Zip {
    async fn begin(mut peer: DuplexStream) -> Self {
        peer.write_all(b"compress\n").await.unwrap();
        assert_eq!(line_of(&mut peer).await, "compress\n");
        let (deflater, inflater) = (Compress::new(Compression::default(), false), Decompress::new(false));
        Self { peer, deflater, inflater, read: Vec::new() }
    }

    fn packed(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(plain.len() + 1024);
        let before = self.deflater.total_in();
        self.deflater.compress_vec(plain, &mut packed, FlushCompress::Sync).unwrap();
        assert_eq!(self.deflater.total_in() - before, plain.len() as u64);
        packed
    }

    async fn send(&mut self, plain: &[u8]) {
        let packed = self.packed(plain);
        self.peer.write_all(&packed).await.unwrap();
    }

    /// Reads until so much plain text is here.
    async fn expect(&mut self, plain: &[u8]) {
        while self.read.len() < plain.len() {
            let mut octets = vec![0; 100];
            let count = self.peer.read(&mut octets).await.unwrap();
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
            let (mut octets, mut room) = (&octets[..count], vec![0; 64 * 1024]);
            while !octets.is_empty() {
                let before = (self.inflater.total_in(), self.inflater.total_out());
                self.inflater.decompress(octets, &mut room, FlushDecompress::None).unwrap();
                octets = &octets[usize::try_from(self.inflater.total_in() - before.0).unwrap()..];
                let count = usize::try_from(self.inflater.total_out() - before.1).unwrap();
                self.read.extend_from_slice(&room[..count]);
            }
        }
        assert_eq!(self.read, plain);
        self.read.clear();
    }
}

/// RFC 4978 §3: everything behind the answer is compressed, both ways.
#[tokio::test(start_paused = true)]
async fn compressed_sessions_go_on_as_before() {
    let (peer, session, _) = start(64, Oracle::default(), Shutdown::never());
    let mut zip = Zip::begin(peer).await;
    for round in 0..5 {
        let text = format!("line {round}\nask\n");
        zip.send(text.as_bytes()).await;
        zip.expect(format!("line {round}\nanswer\n").as_bytes()).await;
        sleep(Duration::from_secs(1)).await;
    }
    // In single octets.
    for octet in zip.packed(b"slowly\n") {
        zip.peer.write_all(&[octet]).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    zip.expect(b"slowly\n").await;
    zip.send(b"quit\n").await;
    zip.expect(b"quit\n").await;
    assert_eq!(session.await.unwrap().map_err(|error| error.kind()), Ok(()));
}

/// `Lines` asserts that it never gets more than it wants: a megabyte of the same letter is some hundred octets here.
#[tokio::test(start_paused = true)]
async fn what_swells_is_taken_in_bits() {
    let (peer, session, _) = start(64 * 1024, Oracle::default(), Shutdown::never());
    let mut zip = Zip::begin(peer).await;
    let swelling = format!("content\n{}\n.\n", format!("{}\n", "x".repeat(1023)).repeat(1024));
    let packed = zip.packed(swelling.as_bytes());
    assert!(packed.len() < 20_000, "{}", packed.len());
    zip.peer.write_all(&packed).await.unwrap();
    zip.expect(b"content\n.\n").await;
    zip.send(b"quit\n").await;
    zip.expect(b"quit\n").await;
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_deflate_ends_the_session() {
    let (peer, session, _) = start(64, Oracle::default(), Shutdown::never());
    let mut zip = Zip::begin(peer).await;
    zip.peer.write_all(b"\xff in clear\n").await.unwrap();
    let error = session.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test(start_paused = true)]
async fn a_last_block_ends_the_session() {
    let (peer, session, _) = start(64, Oracle::default(), Shutdown::never());
    let mut zip = Zip::begin(peer).await;
    let mut packed = Vec::with_capacity(64);
    zip.deflater.compress_vec(b"one\n", &mut packed, FlushCompress::Finish).unwrap();
    packed.extend_from_slice(b"quit\n");
    zip.peer.write_all(&packed).await.unwrap();
    zip.expect(b"one\n").await;
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn compressed_output_meets_the_deadline_of_a_write() {
    let (mut peer, session, _) = start(16, Oracle::default(), Shutdown::never());
    peer.write_all(b"compress\n").await.unwrap();
    let mut zip = Zip {
        peer,
        deflater: Compress::new(Compression::default(), false),
        inflater: Decompress::new(false),
        read: Vec::new(),
    };
    assert_eq!(line_of(&mut zip.peer).await, "compress\n");
    let noise = (0..200_u32).map(|n| n.wrapping_mul(2_654_435_761).to_string() + "\n").collect::<String>();
    zip.send(noise.as_bytes()).await;
    let error = session.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
