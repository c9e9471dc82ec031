//! Connections that go under TLS, driven over memory, with a protocol of lines: `tls` asks for it, `quit` closes, all else is echoed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use mail::TlsSession;
use net::{
    Acceptor, Certificates, Channel, Connector, HandshakeError, Identity, Pace, Policy, Protocol, Shutdown,
    ShutdownSwitch, Step, TlsMode, drive,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::TlsConnector;

const WITHIN: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Echo {
    input: Vec<u8>,
    output: Vec<u8>,
    over: bool,
}

impl Protocol for Echo {
    type Question = Infallible;
    type Answer = ();

    fn receive(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
    }
    fn wants(&self) -> usize {
        4096
    }
    fn end_of_input(&mut self) {
        self.over = true;
    }
    fn timed_out(&mut self) {
        self.over = true;
    }
    fn shut_down(&mut self) {
        self.over = true;
    }
    fn secured(&mut self, TlsSession { facts, .. }: TlsSession) {
        self.output.extend_from_slice(format!("{} {}\n", facts.version, facts.cipher).as_bytes());
    }
    fn step(&mut self) -> Step<Infallible> {
        while let Some(end) = self.input.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            self.output.extend_from_slice(&line);
            match line.as_slice() {
                b"tls\n" => return Step::Secure,
                b"quit\n" => return Step::Close,
                _ => {}
            }
        }
        if self.over { Step::Close } else { Step::Read(Pace::Within(WITHIN)) }
    }
    fn answer(&mut self, (): ()) {}
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }
}

struct Nobody;

impl Policy<Infallible, ()> for Nobody {
    async fn answer(&mut self, question: Infallible) {
        match question {}
    }
}

/// A certificate of its own for a host, and what trusts it.
fn made(host: &str) -> (Identity, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let identity =
        Identity::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    (identity, CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap())
}

fn acceptor(host: &str) -> Acceptor {
    Acceptor::new(&Certificates::new(&[made(host).0]), "smtp").unwrap()
}

fn serve(mode: TlsMode, mut shutdown: Shutdown) -> (DuplexStream, JoinHandle<io::Result<()>>) {
    let (peer, stream) = duplex(16 * 1024);
    let channel = Channel::new(stream, mode, WITHIN);
    (peer, tokio::spawn(async move { drive(Echo::default(), channel, &mut Nobody, &mut shutdown).await }))
}

async fn hear<S: AsyncRead + AsyncWrite + Unpin>(peer: &mut S) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(peer.read_u8().await.unwrap()));
    }
    line
}

/// A client that verifies, and offers these protocols.
fn verifying(trusted: &CertificateDer<'static>, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_session_goes_under_tls_when_it_asks_for_it() {
    let (mut peer, session) = serve(TlsMode::StartTls(acceptor("mx.example.org")), Shutdown::never());
    peer.write_all(b"in clear\ntls\n").await.unwrap();
    assert_eq!([hear(&mut peer).await, hear(&mut peer).await], ["in clear\n", "tls\n"]);
    let connector = Connector::opportunistic().unwrap();
    let (mut peer, facts) = connector.connect("mx.example.org", peer, WITHIN).await.unwrap();
    assert_eq!(hear(&mut peer).await, format!("{} {}\n", facts.version, facts.cipher));
    assert_eq!(&*facts.version, "TLSv1.3");
    assert!(facts.cipher.starts_with("TLS_AES_"), "{}", facts.cipher);
    peer.write_all(b"under TLS\nquit\n").await.unwrap();
    let mut rest = String::new();
    peer.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "under TLS\nquit\n");
    session.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_may_come_before_the_first_word() {
    let (peer, _session) = serve(TlsMode::Implicit(acceptor("mx.example.org")), Shutdown::never());
    let connector = Connector::opportunistic().unwrap();
    let (mut peer, _) = connector.connect("mx.example.org", peer, WITHIN).await.unwrap();
    assert!(hear(&mut peer).await.starts_with("TLSv1.3 "));
    peer.write_all(b"hello\n").await.unwrap();
    assert_eq!(hear(&mut peer).await, "hello\n");
}

/// CVE-2011-0411: what comes in clear behind the word for TLS is never read as if it had come under it.
#[tokio::test]
async fn starttls_injection_ends_in_the_handshake() {
    let (mut peer, session) = serve(TlsMode::StartTls(acceptor("mx.example.org")), Shutdown::never());
    peer.write_all(b"tls\n").await.unwrap();
    assert_eq!(hear(&mut peer).await, "tls\n");
    peer.write_all(b"injected\n").await.unwrap();
    let error = session.await.unwrap().unwrap_err();
    assert!(matches!(HandshakeError::of(&error), Some(HandshakeError::Failed(_))), "{error}");
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.windows(8).any(|part| part == b"injected"), "it was echoed");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_deadline() {
    let begun = Instant::now();
    let (_peer, session) = serve(TlsMode::Implicit(acceptor("mx.example.org")), Shutdown::never());
    let error = session.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "TLS handshake not done in 30 s");
    assert_eq!((begun.elapsed(), error.kind()), (WITHIN, io::ErrorKind::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_handshake_at_once() {
    let (switch, shutdown) = ShutdownSwitch::new();
    let (_peer, session) = serve(TlsMode::Implicit(acceptor("mx.example.org")), shutdown);
    tokio::task::yield_now().await;
    switch.press();
    session.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_leaves_in_the_handshake_is_told_apart_from_one_that_does_not_agree() {
    let (peer, session) = serve(TlsMode::Implicit(acceptor("mx.example.org")), Shutdown::never());
    drop(peer);
    let error = session.await.unwrap().unwrap_err();
    assert!(matches!(HandshakeError::of(&error), Some(HandshakeError::Lost(_))), "{error}");
    let (peer, session) = serve(TlsMode::Implicit(acceptor("mx.example.org")), Shutdown::never());
    let name = ServerName::try_from("mx.example.org").unwrap();
    verifying(&made("elsewhere.example").1, &[]).connect(name, peer).await.unwrap_err();
    let error = session.await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("TLS handshake failed: the peer sent the alert "), "{error}");
}

/// ALPACA: a browser that somebody led here says that it wants HTTP.
#[tokio::test]
async fn alpn_without_our_protocol_is_refused_with_the_alert_for_it() {
    let (identity, certificate) = made("mx.example.org");
    let certificates = Certificates::new(&[identity]);
    for (alpn, refused) in
        [(&["http/1.1", "h2"][..], true), (&["imap"], true), (&["h2", "smtp"], false), (&[], false)]
    {
        let acceptor = Acceptor::new(&certificates, "smtp").unwrap();
        let (peer, session) = serve(TlsMode::Implicit(acceptor), Shutdown::never());
        let name = ServerName::try_from("mx.example.org").unwrap();
        let connected = verifying(&certificate, alpn).connect(name, peer).await;
        match connected {
            Ok(mut stream) => {
                assert!(!refused, "{alpn:?}");
                assert!(hear(&mut stream).await.starts_with("TLSv1.3 "));
            }
            Err(error) => {
                assert!(refused && error.to_string().contains("NoApplicationProtocol"), "{alpn:?}: {error}");
                let error = session.await.unwrap().unwrap_err();
                assert!(error.to_string().contains("no_application_protocol"), "{error}");
            }
        }
    }
}

/// The client's own check of the certificate shows which one it got.
#[tokio::test]
async fn each_host_shows_its_own_certificate_and_a_reload_changes_it_for_who_comes_next() {
    let ((first, trusted_first), (second, trusted_second)) = (made("mx.example.org"), made("mx.example.net"));
    let certificates = Certificates::new(&[first, second]);
    let connect = async |host: &'static str, trusted: &CertificateDer<'static>| {
        let acceptor = Acceptor::new(&certificates, "smtp").unwrap();
        let (peer, _session) = serve(TlsMode::Implicit(acceptor), Shutdown::never());
        verifying(trusted, &[]).connect(ServerName::try_from(host).unwrap(), peer).await
    };
    let mut open = connect("mx.example.org", &trusted_first).await.unwrap();
    connect("mx.example.net", &trusted_second).await.unwrap();
    let (renewed, trusted_renewed) = made("mx.example.org");
    certificates.replace(&[renewed]);
    connect("mx.example.org", &trusted_first).await.unwrap_err();
    connect("mx.example.org", &trusted_renewed).await.unwrap();
    assert!(hear(&mut open).await.starts_with("TLSv1.3 "));
    open.write_all(b"still here\n").await.unwrap();
    assert_eq!(hear(&mut open).await, "still here\n");
}
