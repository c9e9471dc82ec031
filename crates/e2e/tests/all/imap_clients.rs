//! Mailboxes read and changed by `NeoMutt`, by Perl's `Mail::IMAPClient`, and by imaplib2 of Python, which does not wait for answers.

use std::{process::Command, time::Duration};

use e2e::{ImapUser, Process, Said, said, write_secret};

const LOGIN: &str = ImapUser::LOGIN;
const PASSWORD: &str = ImapUser::PASSWORD;

/// Runs a program on a terminal, which it must have; gives what it showed.
const ON_A_TERMINAL: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown = b""
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    shown += piece
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// Keys that somebody presses: flags five, moves one, deletes one, writes that down and leaves.
const KEYS: &str = "<tag-pattern>~s important<enter><tag-prefix><set-flag>!<untag-pattern>~A<enter>\
                    <tag-pattern>~s \\\"number 3\\\"<enter><tag-prefix><save-message>=Archive<enter><untag-pattern>~A<enter>\
                    <delete-pattern>~s \\\"number 4\\\"<enter><sync-mailbox><quit>";

#[test]
fn neomutt_flags_moves_and_deletes() {
    let user = ImapUser::new();
    let fill = r#"
append_all(connect(), b"INBOX", [(b"", b"Subject: number %d%s\r\nFrom: a@far.test\r\n\r\nx\r\n" % (number, b" important" if number >= 5 else b"")) for number in range(10)])
"#;
    user.python(fill, &[]);
    let rc = user.house.path().join("muttrc");
    let here = format!("imap://localhost:{}/", user.port("starttls"));
    write_secret(
        &rc,
        &format!(
            "set ssl_starttls = yes\nset ssl_force_tls = yes\nset ssl_ca_certificates_file = {ca}\nset imap_user = {LOGIN}\n\
             set imap_pass = \"{PASSWORD}\"\nset folder = {here}\nset spoolfile = {here}INBOX\nset record = \"\"\n\
             set postponed = \"\"\nset header_cache = \"\"\nset confirmappend = no\nset delete = yes\nset move = no\nset quit = yes\n\
             set sleep_time = 0\nset wait_key = no\npush \"{KEYS}\"\n",
            ca = user.ca(),
        ),
    );
    let mut command = Command::new("python3");
    command.args(["-c", ON_A_TERMINAL, "neomutt", "-n", "-F"]).arg(&rc);
    command.env("HOME", user.house.path()).env("TERM", "vt100");
    let log = user.house.path().join("neomutt.log");
    // It must not outlive the test where it asks what nobody answers.
    let mut neomutt = Process::start("neomutt", command, &log);
    assert!(neomutt.wait(Duration::from_mins(1)).success(), "{}", neomutt.printed());
    let look = r#"
imap = connect()
ok(imap.select("INBOX", readonly=True))
print(*(ok(imap.search(None, *words))[0].decode().replace(" ", ",") for words in (["ALL"], ["FLAGGED"], ["SUBJECT", '"number 3"'], ["SUBJECT", '"number 4"'])), sep=";")
ok(imap.select("Archive", readonly=True))
print(ok(imap.search(None, "SUBJECT", '"number 3"'))[0].decode())
"#;
    assert_eq!(user.python(look, &[]), "1,2,3,4,5,6,7,8;4,5,6,7,8;;\n1\n", "{}", neomutt.printed());
}

const MAIL_IMAPCLIENT: &str = r#"
use strict; use warnings; use Mail::IMAPClient;
my ($port, $ca, $login, $password) = @ARGV;
sub session {
    Mail::IMAPClient->new(Server => "localhost", Port => $port, User => $login, Password => $password, Uid => 1,
        Starttls => [SSL_ca_file => $ca, SSL_verify_mode => 1, SSL_verifycn_name => "localhost"]) or die "$@";
}
my ($one, $two) = (session(), session());
sub same { my ($is, $wanted, $what) = @_; $is eq $wanted or die "$what: $is, not $wanted" }
my @uids = map { $one->append_string("INBOX", $_) or die $one->LastError } (
    "Subject: b\r\nMessage-ID: <1\@x>\r\n\r\none\r\n", "Subject: c\r\nMessage-ID: <2\@x>\r\n\r\ntwo\r\n",
    "Subject: Re: b\r\nMessage-ID: <3\@x>\r\nReferences: <1\@x>\r\n\r\nthree\r\n", "Subject: a\r\nMessage-ID: <4\@x>\r\n\r\nfour\r\n");
same "@uids", "1 2 3 4", "UIDs";
$one->select("INBOX") or die $one->LastError;
$two->select("INBOX") or die $two->LastError;
same join(" ", $one->sort("SUBJECT", "UTF-8", "ALL")), "4 1 3 2", "SORT";
same join("|", map { ref $_ ? "@$_" : $_ } @{$one->thread("REFERENCES", "UTF-8", "ALL")}), "1 3|2|4", "THREAD";
# IDLE: what one session does the other hears without asking.
my $idle = $one->idle or die $one->LastError;
$two->store("2", "+FLAGS", "(\\Flagged)") or die $two->LastError;
my $heard = join "", @{$one->idle_data(30) or die $one->LastError};
$heard =~ /2 FETCH .*\\Flagged/ or die "IDLE: $heard";
# Its own move() is COPY, and leaves what was copied.
$two->tag_and_run("UID MOVE 4 Archive") or die $two->LastError;
$heard = join "", @{$one->idle_data(30) or die $one->LastError};
$heard =~ /4 EXPUNGE/ or die "IDLE: $heard";
$one->done($idle) or die $one->LastError;
same $one->message_count("Archive"), 1, "moved";
# CONDSTORE: what changed since, and no change of what somebody else has changed.
$one->select("Sent"); $one->tag_and_run("SELECT INBOX (CONDSTORE)") or die $one->LastError;
my ($highest) = map { /HIGHESTMODSEQ (\d+)/ } $one->Results;
$two->store("3", "+FLAGS", "(\\Answered)") or die $two->LastError;
$one->tag_and_run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE $highest)") or die $one->LastError;
my $told = join "", $one->Results;
$told =~ /3 FETCH .*\\Answered/ && $told !~ /[12] FETCH/ or die "CHANGEDSINCE: $told";
$one->tag_and_run("UID STORE 1:3 (UNCHANGEDSINCE $highest) +FLAGS (\\Seen)") or die $one->LastError;
$told = join "", $one->Results;
$told =~ /\[MODIFIED 3\]/ or die "UNCHANGEDSINCE: $told";
same join(" ", $two->seen), "1 2", "SEEN";
same $two->message_string(2), "Subject: c\r\nMessage-ID: <2\@x>\r\n\r\ntwo\r\n", "content";
same ref $two->get_bodystructure(2), "Mail::IMAPClient::BodyStructure", "BODYSTRUCTURE";
$_->logout or die $_->LastError for ($one, $two);
"#;

fn runs(mut command: Command, user: &ImapUser, tls: &str) {
    let (port, ca) = (user.port(tls).to_string(), user.ca());
    command.args([port.as_str(), ca.as_str(), LOGIN, PASSWORD]);
    let Said { code, out, err } = said(&mut command, b"");
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn mail_imapclient_of_perl_idles_sorts_threads_and_moves() {
    let mut command = Command::new("perl");
    command.args(["-e", MAIL_IMAPCLIENT]);
    runs(command, &ImapUser::new(), "starttls");
}

const IMAPLIB2: &str = r#"
import imaplib2, queue, sys
port, ca, login, password = sys.argv[1:5]
def connect():
    imap = imaplib2.IMAP4_SSL("localhost", int(port), ca_certs=ca)
    imap.login(login, password)
    return imap
def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]
one, two = connect(), connect()
# Its enable() takes a lock that each command takes which waits for those before it, and does not give it back (imaplib2 3.05, as select()
# and others do at their end): whatever comes next waits for ever, with the answers to ENABLE read and understood.
ok(two.enable("CONDSTORE"))
two._release_state_change()
ok(two.select("INBOX"))
assert two.response("HIGHESTMODSEQ")[1] != [None]
# Commands sent one behind the other, without waiting for any of their answers.
answers = queue.Queue()
for number in range(100):
    one.append("INBOX", None, None, b"Subject: %d\r\n\r\n%d\r\n" % (number, number), callback=answers.put)
for number in range(100):
    answer, _, error = answers.get(timeout=60)
    assert error is None and answer[0] == "OK", (answer, error)
ok(two.noop())
for number in range(1, 101):
    two.fetch(str(number), "(BODY.PEEK[TEXT])", callback=lambda told, number=number: answers.put((number, told)), cb_arg=None)
texts = []
for _ in range(100):
    number, (answer, _, error) = answers.get(timeout=60)
    assert error is None and answer[0] == "OK", (answer, error)
    texts.append(answer[1][0][1])
assert sorted(texts, key=int) == [b"%d\r\n" % number for number in range(100)], texts
# IDLE ends by itself with the first word of news.
two.idle(timeout=60, callback=answers.put)
ok(one.append("INBOX", None, None, b"Subject: news\r\n\r\nnews\r\n"))
answer, _, error = answers.get(timeout=60)
assert error is None and answer[0] == "OK", (answer, error)
assert two.response("EXISTS")[1][-1] == b"101"
one.logout()
two.logout()
"#;

#[test]
fn imaplib2_of_python_does_not_wait_for_answers() {
    // Debian's own Python, for which the package is.
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", IMAPLIB2]);
    runs(command, &ImapUser::new(), "implicit");
}
