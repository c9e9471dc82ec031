//! A changed configuration is taken up by a server that runs, or not at all.

use std::fs;
use std::time::Duration;

use e2e::{House, eventually};

const SOON: Duration = Duration::from_mins(1);
const CARL: &str = "[[account]]\nlogin = \"carl@here.test\"\n";

fn append(house: &House, more: &str) {
    let text = fs::read_to_string(house.config()).unwrap();
    fs::write(house.config(), text + more).unwrap();
}

#[test]
fn a_new_account_is_known_at_once_and_sessions_under_way_go_on() {
    let house = House::new("");
    let server = house.start();
    let mut old = server.client();
    old.expect("EHLO c.test", 250);
    old.expect("MAIL FROM:<x@c.test>", 250);
    old.expect("RCPT TO:<carl@here.test>", 550);
    append(&house, CARL);
    let said = house.command(&["config", "reload"]);
    assert_eq!((said.code, said.out.as_str()), (0, "reloaded; changed: account\n"), "{}", said.err);
    // Who is here holds at once: a session may stay for hours, and must not bounce mail for somebody who is there.
    old.expect("RCPT TO:<carl@here.test>", 250);
    old.expect("RCPT TO:<anna@here.test>", 250);
    let (code, text) =
        server.client().mail("x@c.test", &["carl@here.test"], "Subject: hello\r\n\r\nCarl\r\n").unwrap();
    assert_eq!(code, 250, "{text}");
    house.maildir("carl@here.test").wait_for("Subject: hello", SOON);
    old.expect("DATA", 354);
    old.expect("Subject: old\r\n\r\nstill here\r\n.", 250);
    house.maildir("anna@here.test").wait_for("Subject: old", SOON);
    let again = house.command(&["config", "reload"]);
    assert_eq!(again.out, "reloaded; changed: nothing\n", "{}", again.err);
}

#[test]
fn a_mistake_leaves_the_old_configuration_in_force_and_is_told() {
    let house = House::new("");
    let server = house.start();
    append(&house, &format!("{CARL}[receive]\nrecipients_max = 0\n"));
    server.ask_to_reload();
    let told = eventually("the log to tell of it", SOON, || {
        let printed = server.printed();
        printed.contains("configuration not reloaded").then_some(printed)
    });
    assert!(told.contains("postrider.toml:23:18:") && told.contains("hint: "), "{told}");
    let said = house.command(&["config", "reload"]);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.err.contains("recipients_max") && said.err.contains("hint"), "{}", said.err);
    // The server reads the file too, and says the same.
    let dir = house.data().display().to_string();
    let mut command = std::process::Command::new(e2e::binary());
    let by_server = command.args(["config", "reload", "--dir", &dir]).output().unwrap();
    assert_eq!(by_server.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&by_server.stderr).contains("recipients_max"), "{by_server:?}");
    let mut client = server.client();
    client.expect("EHLO c.test", 250);
    client.expect("MAIL FROM:<x@c.test>", 250);
    client.expect("RCPT TO:<carl@here.test>", 550);
    client.expect("RCPT TO:<anna@here.test>", 250);
}

#[test]
fn what_needs_a_restart_is_named() {
    let house = House::new("");
    let server = house.start();
    append(&house, "[log]\nlevel = \"debug\"\n[receive]\nerrors_max = 2\n");
    let said = house.command(&["config", "reload"]);
    assert_eq!(
        said.out, "reloaded; changed: receive.errors_max\nneeds a restart: log.level\n",
        "{}",
        said.err
    );
    server.ask_to_reload();
    eventually("the log to tell of it", SOON, || server.printed().contains("needs a restart").then_some(()));
    let mut client = server.client();
    client.expect("EHLO c.test", 250);
    client.expect("WHAT", 500);
    client.expect("WHAT", 421);
}
