//! POP3 with the programs that people have: Python's poplib, curl, fetchmail and getmail, under TLS before the greeting and by STLS; and one
//! count of failed logins for all protocols.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use e2e::{Authority, House, Postrider, run, said};

const POP3: &str = "[deliver]\nlocal = \"mailstore\"\n[[listener]]\nservice = \"pop3\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\n\
    [[listener]]\nservice = \"pop3\"\nbind = [\"127.0.0.1:0\"]\ntls = \"starttls\"\n\
    [[account]]\nlogin = \"carol@here.test\"\npassword = { file = \"carol.password\" }\n";
const LOGIN: &str = "carol@here.test";
const PASSWORD: &str = "correct horse";

/// Lines that a careless client or server would change.
const BODY: &str =
    ".\r\n.one dot\r\n..two dots\r\n\r\n leading space\r\n\ttab\r\nQUIT\r\n+OK\r\n-ERR\r\nlast line\r\n";

fn content(subject: &str) -> String {
    format!(
        "From: Anna <anna@here.test>\r\nSubject: {subject}\r\nMessage-ID: <{subject}@here.test>\r\n\r\n{BODY}"
    )
}

/// A running server, and what is needed to come to it.
struct Here {
    authority: Authority,
    house: House,
    server: Postrider,
}

impl Here {
    /// With these messages for carol.
    fn new(subjects: &[&str]) -> Self {
        let authority = Authority::new();
        let own = authority.issue("mx.here.test", "own");
        let house = House::new(&format!("{POP3}{}", own.section()));
        secret(&house.path().join("carol.password"), &format!("{PASSWORD}\n"));
        let server = house.start();
        let mut client = server.client();
        for subject in subjects {
            let (code, reply) = client.mail("anna@here.test", &[LOGIN], &content(subject)).unwrap();
            assert_eq!(code, 250, "{reply}");
            // One after the other, so that they are numbered so.
            house.wait_for_trace(&e2e::queue_id(&reply), "delivered");
        }
        Self { authority, house, server }
    }

    fn port(&self, tls: &str) -> String {
        self.server.listener_with("pop3", tls).port().to_string()
    }

    fn ca(&self) -> String {
        self.authority.certificate().display().to_string()
    }

    /// What a program of Python's finds, with `box` a session that has logged in.
    fn python(&self, tls: &str, program: &str) -> String {
        let session = "import poplib, ssl, sys\n\
            context = ssl.create_default_context(cafile=sys.argv[2])\n\
            context.check_hostname = False\n\
            if sys.argv[3] == 'implicit':\n\
            \x20   box = poplib.POP3_SSL('127.0.0.1', int(sys.argv[1]), context=context)\n\
            else:\n\
            \x20   box = poplib.POP3('127.0.0.1', int(sys.argv[1]))\n\
            \x20   box.stls(context)\n\
            box.user(sys.argv[4])\n\
            box.pass_(sys.argv[5])\n";
        let program = format!("{session}{program}");
        run("python3", &["-c", &program, &self.port(tls), &self.ca(), tls, LOGIN, PASSWORD], b"")
    }

    /// How many messages there are.
    fn count(&self) -> String {
        self.python("implicit", "print(box.stat()[0]); box.quit()\n").trim().to_owned()
    }
}

fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn poplib_reads_and_deletes_and_only_quit_does() {
    let here = Here::new(&["one", "two", "three"]);
    for tls in ["implicit", "starttls"] {
        let told = here.python(
            tls,
            "import json\n\
             octets = [int(line.split()[1]) for line in box.list()[1]]\n\
             bodies = [b'\\r\\n'.join(box.retr(number)[1]) + b'\\r\\n' for number in (1, 2, 3)]\n\
             assert [len(body) for body in bodies] == octets, (octets, bodies)\n\
             assert box.stat() == (3, sum(octets))\n\
             assert b'UIDL' in box._longcmd('CAPA')[1]\n\
             top = b'\\r\\n'.join(box.top(2, 1)[1])\n\
             assert top.endswith(b'\\r\\n\\r\\n.'), top\n\
             box.dele(2)\n\
             print(json.dumps([[line.decode() for line in box.uidl()[1]], bodies[0].decode()]))\n\
             box.close()\n",
        );
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let message = told[1].as_str().unwrap();
        assert!(message.contains("Subject: one\r\n") && message.ends_with(BODY), "{message}");
        assert_eq!(told[0].as_array().unwrap().len(), 2, "one is marked");
    }
    assert_eq!(here.count(), "3", "nobody has said QUIT");
    let uids = "print([line.split()[1].decode() for line in box.uidl()[1]])\n";
    let before = here.python("implicit", &format!("{uids}box.dele(1)\nbox.dele(3)\nbox.quit()\n"));
    let after = here.python("starttls", &format!("{uids}box.quit()\n"));
    let second = before.split(", ").nth(1).unwrap();
    assert_eq!(after.trim(), format!("[{second}]"));
    // A restart changes no name.
    here.server.stop();
    let server = here.house.start();
    let here = Here { server, ..here };
    assert_eq!(here.python("implicit", &format!("{uids}box.quit()\n")), after);
}

#[test]
fn curl_reads() {
    let here = Here::new(&["by-curl"]);
    for (scheme, tls) in [("pop3s", "implicit"), ("pop3", "starttls")] {
        let port = here.port(tls);
        let (resolve, ca) = (format!("mx.here.test:{port}:127.0.0.1"), here.ca());
        let user = format!("{LOGIN}:{PASSWORD}");
        let curl = |path: &str| {
            let url = format!("{scheme}://mx.here.test:{port}/{path}");
            let arguments = [
                "--silent",
                "--show-error",
                "--ssl-reqd",
                "--cacert",
                &ca,
                "--resolve",
                &resolve,
                "--user",
                &user,
                "--url",
                &url,
            ];
            run("curl", &arguments, b"")
        };
        let list = curl("");
        assert!(list.starts_with("1 ") && list.lines().count() == 1, "{list}");
        let message = curl("1");
        assert!(message.contains("Subject: by-curl\r\n") && message.ends_with(BODY), "{message}");
    }
    assert_eq!(here.count(), "1");
}

#[test]
fn fetchmail_fetches() {
    let here = Here::new(&["first", "second"]);
    let folder = here.house.path().join("fetchmail");
    fs::create_dir(&folder).unwrap();
    for (tls, options, left) in [("starttls", "keep", "2"), ("implicit", "ssl fetchall nokeep", "0")] {
        let (settings, fetched) = (folder.join("rc"), folder.join(tls));
        secret(
            &settings,
            &format!(
                "poll 127.0.0.1 protocol POP3 port {} uidl\nuser \"{LOGIN}\" password \"{PASSWORD}\" {options} \
                 sslproto \"TLS1.2+\" sslcertck sslcertfile \"{}\" sslcommonname \"mx.here.test\" mda \"cat >>{}\"\n",
                here.port(tls),
                here.ca(),
                fetched.display()
            ),
        );
        let said = said(
            Command::new("fetchmail")
                .env("FETCHMAILHOME", &folder)
                .arg("--nosyslog")
                .arg("--fetchmailrc")
                .arg(&settings),
            b"",
        );
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let fetched = fs::read_to_string(fetched).unwrap();
        assert!(fetched.contains("Subject: first") && fetched.contains("Subject: second"), "{fetched}");
        assert_eq!(fetched.matches(&BODY.replace("\r\n", "\n")).count(), 2, "{fetched}");
        assert_eq!(here.count(), left);
    }
}

#[test]
fn getmail_fetches() {
    let here = Here::new(&["first", "second"]);
    let folder = here.house.path().join("getmail");
    fs::create_dir(&folder).unwrap();
    let fetched = folder.join("fetched");
    secret(
        &folder.join("getmailrc"),
        &format!(
            "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\nport = {}\nusername = {LOGIN}\npassword = {PASSWORD}\n\
             ca_certs = {}\nssl_cert_hostname = mx.here.test\n[destination]\ntype = MDA_external\npath = /bin/sh\n\
             arguments = (\"-c\", \"cat >>{}\")\nallow_root_commands = true\n[options]\ndelete = true\ndelivered_to = false\nreceived = false\n",
            here.port("implicit"),
            here.ca(),
            fetched.display()
        ),
    );
    let said = said(Command::new("getmail").arg("--getmaildir").arg(&folder), b"");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let fetched = fs::read_to_string(fetched).unwrap();
    assert!(fetched.contains("Subject: first") && fetched.contains("Subject: second"), "{fetched}");
    assert_eq!(fetched.matches(&BODY.replace("\r\n", "\n")).count(), 2, "{fetched}");
    assert_eq!(here.count(), "0");
}

/// Says the PROXY header, shakes hands, and tries these passwords: the first word of the greeting, and of the answer to each.
const TRY: &str = "
import socket, ssl, sys
port, client, login, passwords = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
raw = socket.create_connection(('127.0.0.1', port))
raw.sendall(f'PROXY TCP4 {client} 192.0.2.1 4000 995\\r\\n'.encode())
stream = ssl._create_unverified_context().wrap_socket(raw)
lines = stream.makefile('rb')
def say(text):
    stream.sendall(text.encode() + b'\\r\\n')
    return lines.readline()
heard = [lines.readline()]
if heard[0].startswith(b'+OK'):
    for password in passwords:
        say('USER ' + login)
        heard.append(say('PASS ' + password))
for line in heard:
    print(line.decode().strip())
";

/// Whoever guesses by POP3 is not let in by SMTP either.
#[test]
fn a_flood_of_logins_is_banned_from_all_protocols() {
    let authority = Authority::new();
    let own = authority.issue("mx.here.test", "own");
    let listener = |service: &str| {
        format!(
            "[[listener]]\nservice = \"{service}\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\nproxy = \"required\"\n"
        )
    };
    let settings = "[deliver]\nlocal = \"mailstore\"\n[receive]\nproxy_networks = [\"127.0.0.1\"]\n[login]\nfailures_max = 4\n\
        [[account]]\nlogin = \"carol@here.test\"\npassword = { file = \"carol.password\" }\n";
    let house =
        House::new(&format!("{}{}{settings}{}", listener("submission"), listener("pop3"), own.section()));
    secret(&house.path().join("carol.password"), "lion\n");
    let server = house.start();
    let tries = |service: &str, client: &str, passwords: &[&str]| {
        let port = server.listener(service).port().to_string();
        let arguments = [&["-c", TRY, port.as_str(), client, LOGIN], passwords].concat();
        run("python3", &arguments, b"").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let heard = tries("pop3", "203.0.113.7", &["one", "two", "three", "four", "lion"]);
    assert_eq!(heard.len(), 6, "{heard:?}");
    assert!(heard[1..5].iter().all(|line| line.starts_with("-ERR [AUTH]")), "{heard:?}");
    assert!(heard[5].starts_with("-ERR [SYS/TEMP]"), "the last one was right, and too late: {heard:?}");
    assert!(tries("pop3", "203.0.113.7", &["lion"])[0].starts_with("-ERR"), "not even greeted");
    assert!(tries("submission", "203.0.113.7", &[])[0].starts_with("421"));
    let neighbour = tries("pop3", "203.0.113.8", &["lion"]);
    assert!(neighbour[1].starts_with("+OK 0 messages"), "{neighbour:?}");
    assert_eq!(house.command(&["ban", "lift", "203.0.113.7"]).code, 0);
    assert!(tries("pop3", "203.0.113.7", &["lion"])[1].starts_with("+OK"));
    server.stop();
}
