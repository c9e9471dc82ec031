//! Logging in by tokens of a real identity provider, with the mail clients that can.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use e2e::{Authority, Glewlwyd, House, Loopback, Postrider, said};

use super::accounts::{CURL_LOGIN_DENIED, EX_NOPERM, SOON, SUBMISSION};

const PEOPLE: [&str; 3] = ["anna@here.test", "carol@here.test", "eve@elsewhere.test"];

/// A server whose people log in with what a provider gives them.
struct Office {
    authority: Authority,
    provider: Glewlwyd,
    house: House,
    _net: Loopback,
}

impl Office {
    fn new(section: impl Fn(&Glewlwyd) -> String) -> Self {
        let net = Loopback::claim();
        let provider = Glewlwyd::start(&net, &PEOPLE);
        let authority = Authority::new();
        let own = authority.issue("mx.here.test", "own").section();
        let (issuer, ca) = (provider.issuer(), provider.ca_file());
        let section = section(&provider);
        let house = House::new(&format!(
            "{SUBMISSION}{own}[[oauth]]\nissuer = \"{issuer}\"\nscopes = \"smtp\"\nca_file = \"{}\"\n{section}",
            ca.display()
        ));
        Self { authority, provider, house, _net: net }
    }

    fn by_keys() -> Self {
        // It names the scopes as the audience, too.
        Self::new(|provider| format!("audience = \"smtp\"\njwks_url = \"{}/jwks\"\n", provider.issuer()))
    }

    fn by_asking() -> Self {
        Self::new(|provider| {
            let url = provider.issuer();
            let secret = provider.client_secret().display().to_string();
            format!(
                "introspection_url = \"{url}/introspect\"\nclient_id = \"mail\"\nclient_secret = {{ file = \"{secret}\" }}\n"
            )
        })
    }

    /// curl sends a message to ben by a token; its exit code and what the server said last.
    fn curl(
        &self,
        server: &Postrider,
        mechanism: &str,
        login: &str,
        token: &str,
        subject: &str,
    ) -> (i32, String) {
        let port = server.listener_with("submission", "implicit").port();
        let (url, resolve) =
            (format!("smtps://mx.here.test:{port}"), format!("mx.here.test:{port}:127.0.0.1"));
        let ca = self.authority.certificate().display().to_string();
        let content = format!("From: {login}\r\nTo: ben@here.test\r\nSubject: {subject}\r\n\r\nx\r\n");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--verbose", "--cacert", &ca, "--resolve", &resolve, "--url", &url]);
        curl.args([
            "--login-options",
            &format!("AUTH={mechanism}"),
            "--user",
            login,
            "--oauth2-bearer",
            token,
        ]);
        curl.args(["--mail-from", login, "--mail-rcpt", "ben@here.test", "--upload-file", "-"]);
        let said = said(&mut curl, content.as_bytes());
        let replies = said.err.lines().filter_map(|line| line.strip_prefix("< "));
        let mut of_auth =
            replies.filter(|line| ["235", "334", "454", "535"].iter().any(|code| line.starts_with(code)));
        (said.code, of_auth.next_back().unwrap_or_default().trim_end().to_owned())
    }

    /// msmtp does the same; its exit code.
    fn msmtp(&self, server: &Postrider, mechanism: &str, login: &str, token: &str) -> i32 {
        let ca = self.authority.certificate().display().to_string();
        let port = server.listener_with("submission", "starttls").port();
        // A token is too long for a line of its configuration.
        let secret = self.house.path().join("token");
        fs::write(&secret, token).unwrap();
        let secret = secret.display();
        let config = format!(
            "account a\nhost 127.0.0.1\nport {port}\ntls on\ntls_starttls on\ntls_trust_file {ca}\n\
             tls_host_override mx.here.test\nauth {mechanism}\nuser {login}\npasswordeval cat {secret}\nfrom {login}\n\
             account default : a\n"
        );
        let file = self.house.path().join("msmtprc");
        fs::write(&file, config).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut msmtp = Command::new("msmtp");
        msmtp.args(["--file", &file.display().to_string(), "ben@here.test"]);
        said(&mut msmtp, b"Subject: by msmtp\n\nx\n").code
    }

    fn delivered(&self, subject: &str) {
        self.house.maildir("ben@here.test").wait_for(&format!("Subject: {subject}"), SOON);
    }
}

#[test]
fn a_token_of_the_provider_is_a_login() {
    let office = Office::by_keys();
    let server = office.house.start();
    let token = office.provider.token("anna@here.test", "smtp");
    for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
        let (code, reply) = office.curl(&server, mechanism, "anna@here.test", &token, mechanism);
        assert_eq!((code, &*reply), (0, "235 2.7.0 Authentication successful"), "{mechanism}");
        office.delivered(mechanism);
        assert_eq!(
            office.msmtp(&server, &mechanism.to_lowercase(), "anna@here.test", &token),
            0,
            "{mechanism}"
        );
    }
    // Her token is nobody else's, one without the scope is none, and neither is that of a stranger.
    let other = office.provider.token("carol@here.test", "smtp");
    let (code, reply) = office.curl(&server, "OAUTHBEARER", "anna@here.test", &other, "other");
    assert_eq!((code, reply.get(..10)), (CURL_LOGIN_DENIED, Some("535 5.7.8 ")));
    let stranger = office.provider.token("eve@elsewhere.test", "smtp");
    assert_eq!(office.msmtp(&server, "xoauth2", "eve@elsewhere.test", &stranger), EX_NOPERM);
    let broken = format!("{token}A");
    assert_eq!(office.curl(&server, "XOAUTH2", "anna@here.test", &broken, "broken").0, CURL_LOGIN_DENIED);
}

#[test]
fn outages_of_the_provider_are_borne() {
    let mut office = Office::by_keys();
    let server = office.house.start();
    let old = office.provider.token("anna@here.test", "smtp");
    // Nobody knows its keys yet.
    office.provider.stop();
    let (code, reply) = office.curl(&server, "OAUTHBEARER", "anna@here.test", &old, "early");
    assert_eq!((code, reply.get(..10)), (CURL_LOGIN_DENIED, Some("454 4.7.0 ")));
    assert_ne!(office.msmtp(&server, "oauthbearer", "anna@here.test", &old), 0);
    drop(server);
    let server = office.house.start();
    office.provider.go_on();
    assert_eq!(office.curl(&server, "OAUTHBEARER", "anna@here.test", &old, "first").0, 0);
    office.provider.stop();
    assert_eq!(office.curl(&server, "OAUTHBEARER", "anna@here.test", &old, "second").0, 0);
    office.delivered("second");
}

#[test]
fn the_provider_is_asked_about_tokens() {
    let mut office = Office::by_asking();
    let server = office.house.start();
    let token = office.provider.token("anna@here.test", "smtp");
    let gone = office.provider.token("anna@here.test", "smtp");
    office.provider.revoke(&gone);
    let (code, reply) = office.curl(&server, "OAUTHBEARER", "anna@here.test", &gone, "gone");
    assert_eq!((code, reply.get(..10)), (CURL_LOGIN_DENIED, Some("535 5.7.8 ")));
    for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
        assert_eq!(office.curl(&server, mechanism, "anna@here.test", &token, mechanism).0, 0);
        office.delivered(mechanism);
    }
    assert_eq!(office.curl(&server, "XOAUTH2", "anna@here.test", "opaque", "opaque").0, CURL_LOGIN_DENIED);
    office.provider.stop();
    // It has said nothing about this one yet.
    let other = format!("{token}x");
    let (code, reply) = office.curl(&server, "OAUTHBEARER", "anna@here.test", &other, "down");
    assert_eq!((code, reply.get(..10)), (CURL_LOGIN_DENIED, Some("454 4.7.0 ")));
}
